"""The Workbench page: making, seeing, trying and saving a curve."""
