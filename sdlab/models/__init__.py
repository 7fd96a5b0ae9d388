"""Models: loading them, and what the laboratory needs to know of one."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
