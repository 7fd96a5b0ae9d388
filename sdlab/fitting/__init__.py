"""Schedules fitted to a model, a sampler and a budget, and judged on seeds that were held out."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
