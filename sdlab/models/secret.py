"""Access tokens: what is one, and how errors are kept from telling it.

Libraries quote what they were given: a header that is not valid, a request that failed. What they
raise also refers to what it came from, and that to the request with its headers.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

HIDDEN = "[token]"
_TOKEN = re.compile(r"[!-~]+")


def check_token(token: str | bool | None) -> None:
    """Raise ``ValueError`` if a token cannot be one; the message does not tell it."""
    if isinstance(token, str) and not _TOKEN.fullmatch(token):
        raise ValueError(
            "token must be ASCII letters, digits and signs without spaces, as the hub shows it once"
            " when it is made; copy it again."
        )


@contextmanager
def hidden(token: str | bool | None) -> Iterator[None]:
    """Let no error raised within tell a token: neither its words, nor what it came from.

    Args:
        token: The token; None, True and False have nothing to hide.
    """
    try:
        yield
    except Exception as error:
        if isinstance(token, str):
            error.args = tuple(
                one.replace(token, HIDDEN) if isinstance(one, str) else one for one in error.args
            )
            error.__cause__ = error.__context__ = None
        raise
