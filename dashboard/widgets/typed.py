"""What was typed into a field, read: a seed, options by name."""

import json

from sdlab.experiment.experiment import SEED_MAX


def parse_seed(text: str) -> int:
    """Return the seed that was typed.

    Raises:
        ValueError: If it is no whole number from 0 to ``SEED_MAX``.
    """
    try:
        seed = int(text.strip(), 10)
    except ValueError:
        raise ValueError(
            f"seed must be a whole number from 0 to {SEED_MAX}, got {text!r}."
        ) from None
    if not 0 <= seed <= SEED_MAX:
        raise ValueError(f"seed must be from 0 to {SEED_MAX}, got {seed}.")
    return seed


def parse_options(text: str, what: str = "solver options") -> dict[str, object]:
    """Return options that were typed as ``name=value, name=value``.

    A value is JSON (``true``, ``7``, ``0.5``, ``[1, 2]``), and a bare word is text.

    Args:
        text: What was typed.
        what: Whose options, for the message.

    Raises:
        ValueError: If a part has no ``=`` or a name comes twice.
    """
    options: dict[str, object] = {}
    for part in filter(None, (p.strip() for p in _split(text))):
        name, sign, value = (p.strip() for p in part.partition("="))
        if not sign or not name:
            raise ValueError(f"{what} are name=value, separated by commas; got {part!r}.")
        if name in options:
            raise ValueError(f"{what}: {name!r} comes twice.")
        try:
            options[name] = json.loads(value)
        except ValueError:
            known = {"True": True, "False": False, "None": None}
            options[name] = known.get(value, value)
    return options


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[(") - (char in "])")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
