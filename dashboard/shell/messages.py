"""Turns an exception into a sentence for the user; the only place that does.

``ValueError`` and ``SdlabError`` already have such a sentence. Anything else is a bug of sdlab: its
traceback goes to the log, and the message says so.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import streamlit as st

from sdlab.errors import SdlabError, brief
from sdlab.models.guidance import Guidance
from sdlab.runs import runs_root

JOINER = "\u2060"

log = logging.getLogger(__name__)


def sentence(error: BaseException) -> str:
    """Return an exception's message for the user; logs the traceback of an unexpected one."""
    if isinstance(error, (ValueError, SdlabError)):
        return brief(without_places(str(error)))
    log.error("unexpected error", exc_info=error)
    return f"Something broke that should not: {type(error).__name__}. The server's log has it all."


def without_places(text: str) -> str:
    """Return text that names no folder above the store, nor the home folder.

    Where a server keeps its files is nobody's business who visits it.
    """
    for place, name in _places(str(runs_root()), str(Path.home())):
        text = place.sub(name, text)
    return text


@cache
def _places(store: str, home: str) -> list[tuple[re.Pattern[str], str]]:
    """Return what finds each folder in a text, and how it is called there."""
    names = {os.path.abspath(home): "~", os.path.realpath(home): "~"}
    names |= {os.path.abspath(store): "the store", os.path.realpath(store): "the store"}
    names.pop(os.sep, None)  # the home of a server's own user may be none
    return [
        (re.compile(rf"(?<![\w.~-]){re.escape(place)}(?![\w-])"), names[place])
        for place in sorted(names, key=len, reverse=True)
    ]


def plain(text: str) -> str:
    """Return text with Markdown's special characters escaped.

    A message quotes what was given, and that may come from the address of the page. Icons, emoji
    and bare links are found in the text after its escapes are gone; a word joiner, which has no
    width, keeps them apart.
    """
    text = re.sub(r":(?=\S)|www(?=\.)|(?<=\S)(?=@)", lambda found: found[0] + JOINER, text)
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-.!|$:~&=" else c for c in text)


def say_ignored_negative(
    negative_prompt: str,
    guidance_scale: float,
    guidance: Guidance,
    true_cfg_scale: float | None = None,
) -> None:
    """Draw a note if a negative prompt does nothing.

    Args:
        negative_prompt: The text.
        guidance_scale: Of the form.
        guidance: What makes it act on the model that is to draw.
        true_cfg_scale: Of the form, if it has one.
    """
    from sdlab.text.notes import negative_note

    note = negative_note(negative_prompt, guidance, guidance_scale, true_cfg_scale)
    if note:
        st.info(plain(note), icon=":material/info:")


def opening() -> AbstractContextManager[None]:
    """Show, while a page waits for the model, that it is being opened."""
    return st.spinner("Opening the model; the first start takes some seconds …")


def show_error(error: BaseException | str) -> None:
    """Draw an error message as plain text, without Markdown."""
    text = brief(without_places(error)) if isinstance(error, str) else sentence(error)
    st.error(plain(text), icon=":material/error:")


@contextmanager
def explained() -> Iterator[None]:
    """Show a ``ValueError`` or ``SdlabError`` as a message and stop this page there."""
    try:
        yield
    except (ValueError, SdlabError) as error:
        show_error(error)
        st.stop()
