"""The Runs page: everything that was run here."""
