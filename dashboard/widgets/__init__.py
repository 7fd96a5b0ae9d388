"""Widgets: parts that several pages are made of, from a table with its CSV to a run on its way."""
