"""Words: tokens, and what the text encoder makes of them."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
