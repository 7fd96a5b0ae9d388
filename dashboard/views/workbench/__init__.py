"""The Workbench page: a curve is made, seen, tried, kept."""
