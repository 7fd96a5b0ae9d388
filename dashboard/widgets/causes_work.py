"""What a page shows of causes, made in the worker: outcomes, word checks and draws as pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from dashboard.widgets.pictures import png
from sdlab.experiment.experiment import Experiment

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from sdlab.causes.change import Change
    from sdlab.causes.counterfactuals import Counterfactuals, Outcome
    from sdlab.models.model import Model
    from sdlab.work import Work

    MakeChanges = Callable[[Model, Experiment], Sequence[Change]]

SIDE = 256
LOOKED = 5
"""Evaluations whose x0_pred is decoded."""


@dataclass(frozen=True)
class ShownOutcome:
    """One outcome as a page draws it.

    Attributes:
        name: What was changed.
        picture: PNG.
        predictions: x0_pred at each evaluation looked at, PNG.
        differences: Where it differs from the plain run's there, PNG.
        said: How far the picture is from the plain one, and what is lost of the prompt.
    """

    name: str
    picture: bytes
    predictions: tuple[bytes, ...]
    differences: tuple[bytes, ...]
    said: str


@dataclass(frozen=True)
class ShownCauses:
    """A plain run and its changes as a page draws them.

    Attributes:
        evaluations: Those looked at.
        outcomes: The plain one first.
        table: How far each is from the plain run.
        course: The same of x0_pred at every evaluation.
        paths: Where x_t is at every evaluation, in their common first two principal components.
    """

    evaluations: tuple[int, ...]
    outcomes: tuple[ShownOutcome, ...]
    table: pd.DataFrame
    course: pd.DataFrame
    paths: pd.DataFrame


@dataclass(frozen=True)
class ShownCheck:
    """A check of a word's map as a page draws it.

    Attributes:
        pictures: Name -> PNG: the plain picture, the one without the word, and the maps over it.
        table: How far each two maps agree.
        evaluations: Those of which map and prediction are the mean.
        gone: What of the prompt is lost without the word, as the world's checker sees it.
    """

    pictures: dict[str, bytes]
    table: pd.DataFrame
    evaluations: tuple[int, ...]
    gone: str


class GivenWord(NamedTuple):
    """A word of a given picture's caption, and how it is asked for.

    Attributes:
        caption: What the picture shows.
        word: A word of it.
        how: How it is left out: "removed" or "masked".
        timestep: To which the picture is noised.
        seed: Of the noise.
    """

    caption: str
    word: str
    how: str
    timestep: float
    seed: int


@dataclass(frozen=True)
class ShownDraws:
    """Pictures drawn from one x_t as a page draws them.

    Attributes:
        sigma: The noise level.
        x_t: What the network was given, PNG.
        x0_pred: The prediction, PNG.
        mean: Of the draws, PNG.
        draws: Each, PNG.
        distance: RMS of x0_pred from the mean.
        single: RMS of x0_pred from a single draw.
        expected: What the first would be of a perfect network and so many draws.
    """

    sigma: float
    x_t: bytes
    x0_pred: bytes
    mean: bytes
    draws: tuple[bytes, ...]
    distance: float
    single: float
    expected: float


def show_changes(
    model: "Model", spec: Experiment, make: "MakeChanges", plain: str
) -> "Work[ShownCauses]":
    """Return a run plainly and with each change; ``make`` says which, given model and run.

    The plain run is called ``plain``.
    """
    from sdlab.causes.counterfactuals import counterfactuals
    from sdlab.latents.film import decoding

    found = yield from counterfactuals(model, spec, make(model, spec))
    looked = looked_at(len(found.sigmas))
    total = len(found.outcomes) * len(found.sigmas)
    shown = []
    for outcome in found.outcomes:
        latents = outcome.x0_pred[list(looked)]
        predictions = yield from decoding(model, latents, total)
        shown.append(_outcome(found, outcome, looked, predictions))
    shown[0] = replace(shown[0], name=plain)
    names = {found.plain.change.name: plain}
    frames = (found.table(), found.course(), paths_of(found.outcomes))
    table, course, paths = (frame.replace({"change": names}) for frame in frames)
    return ShownCauses(looked, tuple(shown), table, course, paths)


def paths_of(outcomes: "Sequence[Outcome]") -> pd.DataFrame:
    """Return where the x_t of outcomes are, in their common first two principal components.

    Returns:
        Columns ``change``, ``evaluation`` (that after the last is the end), ``pc1``, ``pc2``, and
        ``share1`` and ``share2``, of the variance.
    """
    import numpy as np

    from sdlab.comparing.paths import principal

    ways = [outcome.path.numpy() for outcome in outcomes]
    mean, axes, shares = principal(np.concatenate(ways))
    frames = []
    for outcome, way in zip(outcomes, ways, strict=True):
        at = (way - mean) @ axes
        columns = {"evaluation": range(len(at)), "pc1": at[:, 0], "pc2": at[:, 1]}
        frames.append(pd.DataFrame({"change": outcome.change.name, **columns}))
    return pd.concat(frames, ignore_index=True).assign(share1=shares[0], share2=shares[1])


def looked_at(count: int) -> tuple[int, ...]:
    """Return the evaluations whose x0_pred is decoded: the first, the last, some between."""
    last = count - 1
    return tuple(dict.fromkeys(round(k * last / (LOOKED - 1)) for k in range(LOOKED)))


def show_word_check(
    model: "Model", spec: Experiment, asked: tuple[str, str, str, tuple[int, ...]]
) -> "Work[ShownCheck]":
    """Return the check of a word's map, over the pictures.

    Args:
        model: The loaded model.
        spec: The run.
        asked: Word, how it is left out, layers, evaluations; see ``sdlab.causes.word_check``.
    """
    from sdlab.attention.pictures import overlay
    from sdlab.causes.word_check import word_check

    word, how, layer, looked = asked
    work = word_check(model, spec, word, how=how, layers=layer, evaluations=looked)
    check = yield from work
    assert check.runs is not None
    plain, other = check.runs.plain, check.runs.changed[0]
    pictures = {"plain": png(plain.image, SIDE), "without": png(other.image, SIDE)}
    for name, values in check.maps.items():
        pictures[name] = png(overlay(plain.image, values, opacity=0.75), SIDE)
    if check.object is not None:
        mask = check.object.astype(float)
        pictures["object"] = png(overlay(plain.image, mask, opacity=0.75), SIDE)
    gone = ", ".join(check.runs.lost(other))
    return ShownCheck(pictures, check.table(), check.evaluations, gone)


def show_given_check(
    model: "Model", picture: bytes, asked: GivenWord, scene: str | int | None
) -> "Work[ShownCheck]":
    """Return the check of a word's map on a given picture, over it.

    Args:
        model: The loaded model.
        picture: PNG, of any size.
        asked: Caption, word and level.
        scene: The sample that it is, whose true masks are known; None of other pictures.
    """
    from sdlab.attention.pictures import overlay
    from sdlab.causes.word_check import given_check
    from sdlab.embedded.samples import sample_mask
    from sdlab.image_files import read_image
    from sdlab.latents.image import encode, fit

    yield 0, 1
    image = fit(read_image(picture).image, *model.default_size).image
    latents = encode(model, image)
    mask = None if scene is None else sample_mask(scene, asked.word, int(latents.shape[-1]))
    check = given_check(
        model, latents, asked.caption, asked.word,
        how=asked.how, timestep=asked.timestep, seed=asked.seed, object=mask,
    )  # fmt: skip
    pictures = {"plain": png(image, SIDE)}
    maps = {**check.maps} if mask is None else {**check.maps, "truth": mask.astype(float)}
    for name, values in maps.items():
        pictures[name] = png(overlay(image, values, opacity=0.75), SIDE)
    return ShownCheck(pictures, check.table(), check.evaluations, "")


def show_draws(
    model: "Model", spec: Experiment, evaluation: int, count: int, steps: int
) -> "Work[ShownDraws]":
    """Return pictures drawn from a run's x_t beside the x0_pred there."""
    import torch

    from sdlab.causes.draws import draws
    from sdlab.latents.film import decoding

    work = draws(model, spec, evaluation, count=count, num_steps=steps)
    total = 0
    while True:
        try:
            done, total = next(work)
        except StopIteration as stop:
            found = stop.value
            break
        yield done, total
    every = torch.cat([found.x_t, found.x0_pred, found.mean, found.latents])
    x_t, x0_pred, mean, *each = yield from decoding(model, every, total)
    return ShownDraws(
        found.sigma,
        png(x_t, SIDE),
        png(x0_pred, SIDE),
        png(mean, SIDE),
        tuple(png(picture, SIDE) for picture in each),
        found.distance,
        found.single_distance,
        found.expected,
    )


def _outcome(
    found: "Counterfactuals",
    outcome: "Outcome",
    looked: Sequence[int],
    predictions: "Sequence[Image.Image]",
) -> ShownOutcome:
    tops = [
        max((float(found.x0_map(o, e).max()) for o in found.changed), default=0) for e in looked
    ]
    pairs = zip([found.x0_map(outcome, e) for e in looked], tops, strict=True)
    differences = [_heat(values, top, outcome.image.size) for values, top in pairs]
    pngs = tuple(png(picture, SIDE) for picture in predictions)
    picture = png(outcome.image, SIDE)
    return ShownOutcome(
        outcome.change.name, picture, pngs, tuple(differences), _said(found, outcome)
    )


def _heat(values: "np.ndarray", top: float, size: tuple[int, int]) -> bytes:
    from PIL import Image

    from sdlab.attention.pictures import colours

    return png(Image.fromarray(colours(values, top)).resize(size, Image.Resampling.NEAREST), SIDE)


def _said(found: "Counterfactuals", outcome: "Outcome") -> str:
    if outcome is found.plain:
        if not outcome.verdict:
            return "What the others are compared with."
        kept = sum(outcome.verdict.values())
        return f"{kept} of the prompt's {len(outcome.verdict)} statements hold."
    table = found.table().set_index("change")
    row = table.iloc[1 + found.changed.index(outcome)]
    if row["largest_latents"] == 0:
        return "The same, bit for bit."
    text = f"RMS {row['rms_latents']:.2g}, of pixels {row['rms_pixels']:.2g}."
    return text + (f" Lost: {row['lost']}." if row["lost"] else "")
