"""Components: each a part of a page that is drawn, and often moved, by the browser."""
