"""What was measured of speed-ups, as tables and sentences."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdlab.comparing.costs import geometric
from sdlab.experiment.experiment import Experiment
from sdlab.intervals import half_width
from sdlab.pricing import columns
from sdlab.pricing.ladder import line_of_time, steps_worth
from sdlab.pricing.pictures import Made, apart
from sdlab.pricing.speedup import SpeedUp
from sdlab.pricing.verdict import sentence, verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(eq=False)
class Seen:
    """The pictures behind a price.

    Attributes:
        experiment: Prompt, sampler and steps.
        most: Steps of the ends.
        seeds: Of the pictures.
        steps: Of the ladders, ascending; the experiment's are among them.
        ends: The sampler's end of each seed.
        ladders: The plain pictures of each seed at ``steps``.
        pairs: Of each speed-up (plain picture, sped-up picture) of each seed.
        left_out: Why a speed-up could not be measured.
    """

    experiment: Experiment
    most: int
    seeds: list[int]
    steps: list[int]
    ends: list[Made] = field(default_factory=list)
    ladders: list[list[Made]] = field(default_factory=list)
    pairs: dict[SpeedUp, list[tuple[Made, Made]]] = field(default_factory=dict)
    left_out: dict[SpeedUp, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Priced:
    """What speed-ups cost and save.

    Attributes:
        experiment: Prompt, sampler and steps.
        most: Steps of the end that errors are measured against.
        own_error: The sampler's own error at the budget, geometric mean over the seeds, in
            standard deviations of the picture.
        table: One row a speed-up; ``sdlab.pricing.columns.PRICES``.
        pictures: One row a speed-up and seed; ``PICTURES`` there.
        ladder: The plain sampler, one row a seed and number of steps; ``LADDER``.
        left_out: What could not be measured here, and why; ``LEFT_OUT``.
    """

    experiment: Experiment
    most: int
    own_error: float
    table: "pd.DataFrame"
    pictures: "pd.DataFrame"
    ladder: "pd.DataFrame"
    left_out: "pd.DataFrame"

    @classmethod
    def of(cls, seen: Seen) -> "Priced":
        """Return tables of what was measured."""
        import pandas as pd

        ladder = pd.DataFrame(_ladder(seen), columns=list(columns.LADDER))
        pictures = pd.DataFrame(_pictures(seen, ladder), columns=list(columns.PICTURES))
        own = ladder[ladder["num_steps"] == seen.experiment.num_steps]["error"].tolist()
        line = line_of_time(seen.steps, ladder["seconds"].to_numpy().reshape(-1, len(seen.steps)))
        rows = [_row(s, pictures[pictures["speedup"] == s.name], line, seen) for s in seen.pairs]
        left_out = [{"speedup": s.name, "reason": why} for s, why in seen.left_out.items()]
        return cls(
            seen.experiment,
            seen.most,
            geometric(own)[0],
            pd.DataFrame(rows, columns=list(columns.PRICES)),
            pictures,
            ladder,
            pd.DataFrame(left_out, columns=list(columns.LEFT_OUT)),
        )

    @property
    def tables(self) -> "dict[str, pd.DataFrame]":
        """All tables by name."""
        return {
            "prices": self.table,
            "pictures": self.pictures,
            "ladder": self.ladder,
            "left_out": self.left_out,
        }

    @property
    def sentences(self) -> list[str]:
        """What each speed-up costs and saves, a sentence each, and what was left out."""
        n = self.experiment.num_steps
        said = [sentence(row, n) for _, row in self.table.iterrows()]
        missing = self.left_out.itertuples()
        return said + [f"{row.speedup} was left out: {row.reason}" for row in missing]


def _ladder(seen: Seen) -> list[dict[str, Any]]:
    return [
        {
            "seed": seed,
            "num_steps": steps,
            "error": apart(made.pixels, end.pixels, end.pixels),
            "seconds": made.seconds,
        }
        for seed, end, ladder in zip(seen.seeds, seen.ends, seen.ladders, strict=True)
        for steps, made in zip(seen.steps, ladder, strict=True)
    ]


def _pictures(seen: Seen, ladder: "pd.DataFrame") -> list[dict[str, Any]]:
    errors = {seed: rows["error"].tolist() for seed, rows in ladder.groupby("seed")}
    here = seen.steps.index(seen.experiment.num_steps)
    rows = []
    for speedup, pairs in seen.pairs.items():
        for seed, end, (plain, made) in zip(seen.seeds, seen.ends, pairs, strict=True):
            off = apart(made.pixels, end.pixels, end.pixels)
            rows.append(
                {
                    "speedup": speedup.name,
                    "seed": seed,
                    "change": apart(made.pixels, plain.pixels, end.pixels),
                    "own_error": errors[seed][here],
                    "off": off,
                    "good_as": steps_worth(off, seen.steps, errors[seed], seen.steps[here]),
                    "seconds": made.seconds,
                    "plain_seconds": plain.seconds,
                }
            )
    return rows


def _row(
    speedup: SpeedUp, rows: "pd.DataFrame", line: tuple[float, float], seen: Seen
) -> dict[str, Any]:
    """Return the row of a speed-up in the table of prices."""
    n = seen.experiment.num_steps
    row: dict[str, Any] = {"speedup": speedup.name, "about": speedup.about}
    row["change"] = _geometric(rows["change"])[0]
    row |= _named("share", _geometric(rows["change"] / rows["own_error"]))
    row |= _named("off", _geometric(rows["off"] / rows["own_error"]))
    good, half = float(rows["good_as"].mean()), half_width(rows["good_as"].to_numpy())
    row |= _named("good_as", (good, good - half, good + half))
    row["seconds"] = float(rows["seconds"].median())
    time = geometric((rows["seconds"] / rows["plain_seconds"]).tolist())
    row |= _named("time", time)
    none, a_step = line
    quick = [max((ratio * (none + a_step * n) - none) / a_step, 0.0) for ratio in time]
    row |= _named("quick_as", (quick[0], quick[1], quick[2]))
    row["verdict"] = verdict(row)
    return row


def _named(name: str, figure: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), figure, strict=True))


def _geometric(values: "pd.Series[float]") -> tuple[float, float, float]:
    """Return the geometric mean with its interval; where nothing is changed at all, 0."""
    return geometric(values.tolist()) if (values > 0).any() else (0.0, 0.0, 0.0)
