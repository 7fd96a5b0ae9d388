"""Typed code is audited only where the operator allows it, in a process of its own."""

import pytest

from sdlab.auditing.apart import audit_of_text
from sdlab.errors import SdlabError


def test_it_is_refused_unless_allowed(monkeypatch):
    monkeypatch.delenv("SDLAB_ALLOW_CODE", raising=False)
    with pytest.raises(SdlabError, match="SDLAB_ALLOW_CODE=1"):
        audit_of_text("x = 1")


def test_what_is_wrong_with_it_is_told(monkeypatch):
    monkeypatch.setenv("SDLAB_ALLOW_CODE", "1")
    with pytest.raises(ValueError, match="at most 20000 characters, got 20001"):
        audit_of_text("#" * 20001)


@pytest.mark.every
def test_what_its_process_finds_is_told(monkeypatch):
    monkeypatch.setenv("SDLAB_ALLOW_CODE", "1")
    with pytest.raises(ValueError, match="typed_code.py has no sampler"):
        audit_of_text("x = 1")
    with pytest.raises(ValueError, match="does not end within 0.01 seconds"):
        audit_of_text("x = 1", 0.01)
