"""The Home page: the ways on, and a picture made just now."""
