"""Running experiments: the engine that shares network calls, its jobs, and their plans."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
