"""The Price of a speed-up page."""
