"""The Schedule passport page: programs side by side on one axis, what parts them, ways out."""
