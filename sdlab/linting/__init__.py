"""Lint: rules over the course of any solver or scheduler, each checked on what it really does."""

from sdlab.linting.report import COLUMNS, lint, rules

__all__ = ["COLUMNS", "lint", "rules"]
