"""Components: parts of a page that are drawn and moved by the browser."""
