"""Parameters in pictures: what sdlab and other programs write into their files, read again."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
