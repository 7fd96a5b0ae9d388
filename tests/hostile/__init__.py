"""What nobody means well, given to every way in: routes, fields, uploads, options and files."""
