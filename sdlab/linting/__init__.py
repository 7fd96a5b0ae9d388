"""Lint: rules about the course of any solver or scheduler, checked on what its steps really do."""

from sdlab.linting.report import COLUMNS, lint, rules
from sdlab.submodules import on_first_use

__all__ = ["COLUMNS", "lint", "rules"]

__getattr__ = on_first_use(__name__)
