"""Tests of ``sdlab.sending``."""
