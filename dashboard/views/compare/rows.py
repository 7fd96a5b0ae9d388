"""Entrants as texts: what the menu shows, what a user can type, and what the address holds.

heun
heun {option=value} + karras [rho=5]
my name: dpmpp_2m + exponential
DPM++ 2M Karras
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dashboard.widgets.sampler_rows import Row, parse_row, styles, write_row
from sdlab.comparing.entrant import Entrant
from sdlab.sampler_names import NAMES, short_names

FIRST = ("ddim", "heun", "dpmpp_2m", "unipc")
"""The form's samplers at first: all follow the form's curve and draw no noise, which is fair."""
MOST = 60
MOST_NUMBERS = 200
_NAMED = re.compile(r"(?:(?P<label>[^{}\[\]:]{1,60}):\s+)?(?P<row>.*)", re.DOTALL)
_RANGE = re.compile(r"(\d{1,20})(?:-(\d{1,20}))?")


def entrant_of(text: str) -> Entrant:
    """Return the entrant that a text describes.

    Raises:
        ValueError: If the text has another form, or the solver is not known.
    """
    if text.strip() in NAMES:
        return Entrant(text.strip())
    found = _NAMED.fullmatch(text.strip())
    assert found is not None  # the second group takes anything
    row = parse_row(found["row"])
    options = dict(row.options)
    eta = options.pop("eta", None)
    return Entrant(
        row.name,
        curve=row.curve,
        curve_options=row.curve_options,
        solver_options=options,
        eta=None if eta is None else float(eta),
        label=(found["label"] or "").strip(),
    )


def text_of(entrant: Entrant) -> str:
    """Return the text of an entrant; ``entrant_of`` of it gives the entrant again."""
    if entrant.label in NAMES and Entrant(entrant.label) == entrant:
        return entrant.label
    eta = {} if entrant.eta is None else {"eta": entrant.eta}
    options = _written({**eta, **dict(entrant.solver_options)})
    text = write_row(entrant.solver, options, entrant.curve, _written(dict(entrant.curve_options)))
    return text if entrant_of(text).label == entrant.label else f"{entrant.label}: {text}"


def whole_numbers(text: str, what: str) -> tuple[int, ...]:
    """Return the numbers of a text such as "0-3, 7".

    Args:
        text: What was typed.
        what: The field's name, for the message.

    Raises:
        ValueError: If a part is no number or range, a number comes twice or they are too many.
    """
    numbers: list[int] = []
    joined = re.sub(r"\s*(?:-|–|\.\.)\s*", "-", text)
    for part in filter(None, re.split(r"[,;\s]+", joined)):
        found = _RANGE.fullmatch(part)
        if found is None:
            raise ValueError(f"{what} are whole numbers and ranges such as 0-3, 7; got {part!r}.")
        low, high = int(found[1]), int(found[2] or found[1])
        if high < low:
            raise ValueError(f"{what}: the range {part} runs backwards; write {high}-{low}.")
        if len(numbers) + high - low >= MOST_NUMBERS:
            raise ValueError(f"{what} may be at most {MOST_NUMBERS}; {part!r} makes them more.")
        numbers.extend(range(low, high + 1))
    return tuple(dict.fromkeys(numbers))


def looks(entrants: Iterable[Entrant]) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return the colour and the dash pattern of each entrant, by its short name."""
    entrants = list(entrants)
    names = short_names([entrant.label for entrant in entrants])
    rows = {names[e.label]: Row(e.label, e.solver, e.curve) for e in entrants}
    return styles(rows)


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in options.items())
