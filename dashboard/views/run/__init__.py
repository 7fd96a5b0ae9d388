"""The page One run: from its first noise to its picture, charts, tables and files."""
