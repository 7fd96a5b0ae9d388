"""Finds the words of the pages in texts, and says what they mean.

A page shows a definition by ``definitions`` behind a "?", and the page Glossary lists all of them.
"""

import re
from collections.abc import Iterable
from functools import cache
from urllib.parse import quote

from dashboard.shell.routes import page_url
from dashboard.shell.terms import TERMS, Term

MOST = 4
"""Definitions behind one "?" at most: more are not read."""


@cache
def by_name() -> dict[str, Term]:
    """Return the terms by their names, in alphabetical order."""
    return {term.name: term for term in sorted(TERMS, key=lambda term: term.name.lower())}


def term_url(term: Term) -> str:
    """Return where the Glossary shows a term."""
    return page_url(f"glossary?term={quote(term.name)}")


def found_in(text: str) -> list[Term]:
    """Return the terms that a text holds, in the order in which they come."""
    places = [(found.start(), term) for term, found in _first(text)]
    return [term for _, term in sorted(places, key=lambda pair: pair[0])]


def definition(name: str) -> str:
    """Return the definition of a term, for a field's ``help``.

    Raises:
        KeyError: If there is no such term.
    """
    return by_name()[name].meaning


def definitions(*texts: str) -> str | None:
    """Return the definitions of the terms that some texts hold, for ``help``; None if none."""
    terms = found_in(" \n".join(text for text in texts if text))[:MOST]
    return listed(terms) if terms else None


def listed(terms: Iterable[Term]) -> str:
    """Return terms with their definitions as Markdown, each linked to the Glossary."""
    return "  \n".join(
        f"[**{_escaped(term.name)}**]({term_url(term)}): {_escaped(term.meaning)}" for term in terms
    )


def _first(text: str) -> Iterable[tuple[Term, re.Match[str]]]:
    """Yield each term that a text holds with where it comes first; a longer one hides a shorter."""
    found = [(term, at) for term in TERMS if (at := _pattern(term).search(text))]
    for term, at in found:
        covered = any(
            other is not term
            and there.start() <= at.start()
            and at.end() < there.end()
            or other is not term
            and there.start() < at.start()
            and at.end() <= there.end()
            for other, there in found
        )
        if not covered:
            yield term, at


def pattern_of(term: Term) -> tuple[str, bool]:
    """Return the pattern by which a term is recognised in texts, and whether case is no matter."""
    words = "|".join(term.words) or r"(?!)"
    return rf"(?<![\w-])(?:{words})(?![\w-])", term.name not in ("VP", "VE", "VAE", "SNR", "v")


@cache
def _pattern(term: Term) -> re.Pattern[str]:
    pattern, any_case = pattern_of(term)
    return re.compile(pattern, re.IGNORECASE if any_case else 0)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#~$])", r"\\\1", text)
