"""Sizes in words, as plans, refusals and pages say them."""

from sdlab.models.memory import readable


def test_sizes_in_words():
    assert readable(512) == "512 B" and readable(1536) == "1.5 KiB"
    assert readable(86e6) == "82.0 MiB" and readable(1.72e9) == "1.6 GiB"
    assert readable(3 * 2**40) == "3.0 TiB"
