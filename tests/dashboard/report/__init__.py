"""Tests of ``dashboard.report``."""
