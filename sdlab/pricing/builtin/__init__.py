"""The speed-ups, one theme a file: each is found by looking into this folder."""
