"""Lint: rules over the course of any solver or scheduler, each checked on what it really does."""

from sdlab.linting.report import COLUMNS, lint, rules
from sdlab.submodules import on_first_use

__all__ = ["COLUMNS", "lint", "rules"]

__getattr__ = on_first_use(__name__)
