"""Experiments, the engine that runs them, and the runs they leave."""
