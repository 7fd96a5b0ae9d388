"""Solvers: generators that yield points and receive predictions; ``registry`` says how."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
