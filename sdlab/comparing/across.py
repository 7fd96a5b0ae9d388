"""Two models on the same captions: their pictures in pairs, and how many statements more show.

A comparison is of samplers on one model. Two comparisons that ask two models for the same prompts
and seeds at the same evaluations can be laid side by side: every picture of one has its pair in the
other, from the same noise, judged by the same checker. What a caption makes hard for both counts
for neither, so pairs tell more than two shares.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sdlab.comparing.result import Result
from sdlab.errors import unknown
from sdlab.intervals import half_width

if TYPE_CHECKING:
    import pandas as pd

PAIR = ("prompt", "seed")
COLUMNS = {
    "budget": ("evaluations or steps", "asked for, the same of both"),
    "nfe": ("evaluations", "that the first model's sampler made, its pictures' mean"),
    "nfe_other": ("evaluations", "that the other's made"),
    "pictures": ("", "pairs: the same prompt and seed, both done and judged"),
    "fidelity": ("share, 0 to 1", "of the prompts' statements, in the first model's pictures"),
    "fidelity_other": ("share, 0 to 1", "in the other model's"),
    "more": ("share", "how much more the other shows: the mean of the pairs' differences"),
    "half": ("share", "half of its 95 % interval (Student's); NaN for fewer than two pairs"),
    "only_first": ("", "pairs in which the first model's picture shows more"),
    "only_other": ("", "pairs in which the other's shows more"),
}
"""Columns of ``across``: unit and meaning."""


def comparable(result: Result, others: Iterable[Result]) -> list[Result]:
    """Return those of other models that share a prompt, a seed and a budget with a result."""
    return [
        other
        for other in others
        if other.model_name != result.model_name
        and other.comparison.align == result.comparison.align
        and all(
            set(getattr(other.comparison, name)) & set(getattr(result.comparison, name))
            for name in ("prompts", "seeds", "budgets")
        )
    ]


def across(first: Result, other: Result, entrant: str, entrant_other: str) -> "pd.DataFrame":
    """Return how two models' pictures fulfil the same prompts, a row a budget; see ``COLUMNS``.

    Args:
        first: A comparison on one model.
        other: One on another model.
        entrant: The label of the sampler that draws for the first.
        entrant_other: The label of the one that draws for the other.

    Raises:
        ValueError: If a comparison has no such sampler.
    """
    import pandas as pd

    pairs = pairs_of(first, other, entrant, entrant_other)
    rows = [_row(budget, some) for budget, some in pairs.groupby("budget")]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pairs_of(first: Result, other: Result, entrant: str, entrant_other: str) -> "pd.DataFrame":
    """Return the pairs of judged pictures, a row each.

    Args:
        first: As in ``across``.
        other: As in ``across``.
        entrant: As in ``across``.
        entrant_other: As in ``across``.

    Returns:
        Columns ``budget``, ``prompt``, ``seed``, and of both ``run``, ``nfe`` and ``fidelity``;
        the other's with ``_other`` behind.

    Raises:
        ValueError: If a comparison has no such sampler.
    """
    found = [_of(result, label) for result, label in ((first, entrant), (other, entrant_other))]
    return found[0].merge(found[1], on=["budget", *PAIR], suffixes=("", "_other"))


def _of(result: Result, label: str) -> "pd.DataFrame":
    """Return the judged pictures of one sampler."""
    runs = result.tables["runs"]
    labels = list(dict.fromkeys(runs["entrant"]))
    if label not in labels:
        raise ValueError(unknown("sampler", label, labels))
    judged = runs[(runs["entrant"] == label) & runs["fidelity"].notna()]
    return judged[["budget", *PAIR, "run", "nfe", "fidelity"]]


def _row(budget: object, pairs: "pd.DataFrame") -> dict[str, object]:
    more = pairs["fidelity_other"] - pairs["fidelity"]
    return {
        "budget": budget,
        "nfe": pairs["nfe"].mean(),
        "nfe_other": pairs["nfe_other"].mean(),
        "pictures": len(pairs),
        "fidelity": pairs["fidelity"].mean(),
        "fidelity_other": pairs["fidelity_other"].mean(),
        "more": more.mean(),
        "half": half_width(more.to_numpy()),
        "only_first": int((more < 0).sum()),
        "only_other": int((more > 0).sum()),
    }
