"""Solvers: generator functions that ask for predictions; see ``registry``."""
