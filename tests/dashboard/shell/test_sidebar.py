"""What the sidebar says of the model."""

from dashboard.shell.sidebar import readable_bytes


def test_sizes_in_words():
    assert readable_bytes(86e6) == "86 MB" and readable_bytes(1.72e9) == "1.72 GB"
