"""The Tokens page: the prompt as CLIP cuts it, and what the text encoder computes from it."""
