"""Parameters in pictures, of sdlab and of others."""
