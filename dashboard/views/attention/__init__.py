"""The Attention page: what is looked at, the viewer, what the maps tell, files."""
