"""The curves that come with the laboratory: one a file, or a family; found by looking."""
