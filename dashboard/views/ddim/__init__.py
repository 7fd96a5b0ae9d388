"""The DDIM page: eta, inversion, edits, walks between noises, the equations beside the code."""
