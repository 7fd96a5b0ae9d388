"""Widgets: parts that several pages use, from a table with its CSV to the progress of a run."""
