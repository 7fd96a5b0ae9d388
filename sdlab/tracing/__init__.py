"""What a run leaves: the trace, and the tables made of it."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
