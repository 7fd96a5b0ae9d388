"""The Home page: links to the other pages, and a picture made just now."""
