"""Where each word guides the picture.

(overview follows)
"""
