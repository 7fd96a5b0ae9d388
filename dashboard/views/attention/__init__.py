"""The Attention page: the run or picture, the viewer, what the maps show, files."""
