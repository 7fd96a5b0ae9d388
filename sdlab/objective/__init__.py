"""What a loaded model was trained on: telling a picture from the noise that hides it."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
