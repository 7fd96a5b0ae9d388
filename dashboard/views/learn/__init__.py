"""The page Learn: Stable Diffusion, from words to picture, in twelve stations."""
