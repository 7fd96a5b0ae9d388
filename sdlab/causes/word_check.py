"""A word's attention map held against what the word does: leave it out and see where it mattered.

An attention map says where the picture looks at a word. Whether the word decides something there is
another question, which two differences answer:

* of the predictions: at each x_t of the plain run the network is asked once more without the word;
  where does x0_pred differ? Nothing else has changed, so this is what the word does there and then.
* of the pictures: the whole run is repeated without the word; where do the final latents differ? An
  object that goes may make room for others, so this spreads further.

Both are held against the map, and, on the embedded model, all three against the object's place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdlab.attention.image import of_image
from sdlab.attention.views import best
from sdlab.attention.words import positions
from sdlab.causes.change import NOTHING, Change, word_left_out
from sdlab.causes.counterfactuals import (
    RECORD,
    Counterfactuals,
    check_plain,
    outcome,
    rms_map,
    running,
)
from sdlab.causes.overlap import overlap
from sdlab.causes.switching import switched
from sdlab.denoisers.network import Sample, evaluate, predictions, uses_guidance
from sdlab.errors import check_types
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.sampling.plan import plan
from sdlab.shipped import SHIPPED
from sdlab.text.tokens import tokens
from sdlab.work import Work, counted

if TYPE_CHECKING:
    from torch import Tensor

    from sdlab.runs.run import Run

MAP, PREDICTION, PICTURE, OBJECT = "map", "prediction", "picture", "object"


@dataclass(frozen=True, eq=False)
class WordCheck:
    """Where a word's map says that it is read, and where leaving it out changes something.

    Attributes:
        word: The word.
        how: How it was left out: "removed" or "masked".
        evaluations: Those of which map and prediction are the mean.
        heat: The word's attention map, float64 [h, w] of the latents.
        prediction: RMS difference of x0_pred at the same x_t, float64 [h, w].
        picture: RMS difference of the final latents, float64 [h, w]; None of a given picture.
        object: Where the object is, bool [h, w]; None where that is not known.
        runs: The run and the run without the word; None of a given picture.
    """

    word: str
    how: str
    evaluations: tuple[int, ...]
    heat: np.ndarray
    prediction: np.ndarray
    picture: np.ndarray | None
    object: np.ndarray | None
    runs: Counterfactuals | None

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """The maps that there are, by name."""
        found = {MAP: self.heat, PREDICTION: self.prediction, PICTURE: self.picture}
        return {name: values for name, values in found.items() if values is not None}

    def table(self) -> pd.DataFrame:
        """Return how far each two of the maps agree; see ``sdlab.causes.overlap``.

        Returns:
            Columns ``word``, ``one``, ``other``, ``rank_correlation``, ``iou`` and ``chance``.
        """
        pairs: list[tuple[str, str, Any]] = [
            (MAP, name, values) for name, values in self.maps.items() if name != MAP
        ]
        if self.object is not None:
            pairs += [(name, OBJECT, self.object) for name in self.maps]
        rows = []
        for one, other, values in pairs:
            found = overlap(self.maps[one], values)
            figures = (found.rank_correlation, found.iou, found.chance)
            rows.append((self.word, one, other, *figures))
        names = ["word", "one", "other", "rank_correlation", "iou", "chance"]
        return pd.DataFrame(rows, columns=names)


def word_check(
    model: Model,
    experiment: Experiment,
    word: str,
    *,
    occurrence: int | None = None,
    how: str = "removed",
    layers: str | Sequence[str] | None = None,
    evaluations: Sequence[int] | None = None,
) -> Work[WordCheck]:
    """Check a word's attention map by leaving the word out; yields after every evaluation.

    Args:
        model: Plain Stable Diffusion.
        experiment: The run; what it records does not matter.
        word: "parrot", or a phrase.
        occurrence: Which one of a repeated word, from 0; None for all together.
        how: "removed" or "masked"; see ``sdlab.causes.change.word_left_out``.
        layers: Whose map is looked at, named as in ``AttentionRecord``; None for those that find
            the model's objects best (``sdlab.attention.views.best``).
        evaluations: Those of which map and prediction are the mean, from 0; None for all.

    Raises:
        ValueError: If the prompt has no such word, or there are no such layers or evaluations.
        ModelError: If the model is not plain Stable Diffusion or its attention cannot be read.
        TypeError: If an argument is of another type.
    """
    check_types(
        word_check, model=(model, Model), experiment=(experiment, Experiment), word=(word, str)
    )
    check_plain(model)
    change = word_left_out(model, experiment, word, occurrence=occurrence, how=how)
    chosen = layers or best(model.name).layers or "all"
    named = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    spec = experiment.with_(record=RECORD.with_(attention=AttentionRecord(layers=named)))
    nfe = plan(model, spec).nfe
    looked = tuple(range(nfe) if evaluations is None else sorted(set(evaluations)))
    if not looked or looked[0] < 0 or looked[-1] >= nfe:
        raise ValueError(f"evaluations must be from 0 to {nfe - 1}, at least one, got {looked}.")
    total = 2 * nfe + len(looked)
    run = yield from counted(running(model, spec), 0, total)
    bare = change.applied(experiment.with_(record=RECORD))
    other = yield from counted(running(model, bare, change.switches), nfe, total)
    told = []
    for number, differs in enumerate(_told(model, spec, run, change, looked)):
        told.append(differs)
        yield total - len(looked) + number + 1, total
    h, w = (int(side) for side in run.latents.shape[-2:])
    places = positions(run.tokens[run.tokens["prompt"] == "prompt"], word, occurrence)
    heat = run.heatmap(places, evaluation=looked, size=(h, w))
    runs = Counterfactuals(
        experiment,
        tuple(run.trace.sigmas),
        outcome(model, NOTHING, run, experiment.prompt),
        (outcome(model, change, other, experiment.prompt),),
    )
    return WordCheck(
        word,
        how,
        looked,
        heat.astype(np.float64),
        np.mean(told, axis=0),
        rms_map(other.latents, run.latents),
        _object(model, run, word, (h, w)),
        runs,
    )


def given_check(
    model: Model,
    latents: "Tensor",
    caption: str,
    word: str,
    *,
    how: str = "removed",
    timestep: float = 400.0,
    seed: int = 0,
    object: np.ndarray | None = None,
) -> WordCheck:
    """Return the check of a word's map on a given picture, noised to one level.

    The caption is read without guidance, in one evaluation; the map is that of the layers that find
    the model's objects best.

    Args:
        model: Plain Stable Diffusion.
        latents: Clean latents of the picture, [1, C, h, w].
        caption: What it shows.
        word: A word of the caption; all of them, if it is there several times.
        how: "removed" or "masked".
        timestep: To which the picture is noised.
        seed: Of the noise.
        object: The word's true mask, bool [h, w].

    Raises:
        ValueError: If the caption has no such word, or an argument is out of range.
        ModelError: If the model is not plain Stable Diffusion or its attention cannot be read.
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    check_plain(model)
    spec = Experiment(prompt=caption, guidance_scale=1.0, model=model.name)
    change = word_left_out(model, spec, word, how=how)
    layers = (best(model.name).given_layers or "all",)
    record = AttentionRecord(layers=layers, dtype="float32")
    maps = of_image(model, latents, caption, timestep=timestep, seed=seed, record=record)
    sigma = float(model.schedule.timestep_to_sigma(timestep))
    x0 = latents.to(model.device, torch.float32)
    generator = torch.Generator().manual_seed(seed)  # as ``of_image`` draws it
    noise = randn_tensor(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
    x_t = (x0 + sigma * noise) / (1.0 + sigma**2) ** 0.5
    with_word = _predicted(model, spec, NOTHING, x_t, timestep, sigma)
    without = _predicted(model, spec, change, x_t, timestep, sigma)
    h, w = (int(side) for side in latents.shape[-2:])
    places = positions(tokens(model, caption), word)
    heat = maps.heatmap(places, size=(h, w)).astype(np.float64)
    return WordCheck(word, how, (0,), heat, rms_map(without, with_word), None, object, None)


def _told(
    model: Model, spec: Experiment, run: "Run", change: Change, evaluations: Sequence[int]
) -> Iterator[np.ndarray]:
    """Yield where x0_pred differs without the word at each x_t of a run, [h, w]."""
    planned = plan(model, spec)
    for e in evaluations:
        x_t = run.trace.x_t[e, None].to(model.device)
        at = planned.timesteps[e], planned.sigmas[e]
        without = _predicted(model, spec, change, x_t, *at)
        yield rms_map(without, run.trace.x0_pred[e, None])


def _predicted(
    model: Model, spec: Experiment, change: Change, x_t: "Tensor", timestep: float, sigma: float
) -> "Tensor":
    """Return x0_pred of an experiment with a change at one x_t, [1, C, h, w]."""
    asked = change.applied(spec)
    guided = uses_guidance(model, asked.guidance_scale)
    words = model.encode_prompt(asked.prompt, asked.negative_prompt if guided else None)
    strength = asked.guidance_scale, asked.guidance_rescale
    sample = Sample(x_t, timestep, *words, *strength, asked.fast)
    with switched(model, change.switches, guided=guided):
        (output,) = evaluate(model, [sample])
    return predictions(plan(model, asked).schedule, x_t, sigma, output.guided)[0]


def _object(model: Model, run: "Run", word: str, size: tuple[int, int]) -> np.ndarray | None:
    """Return where the object of a word is in a picture, bool [h, w]; None if that is not known."""
    if model.name not in SHIPPED or size[0] != size[1] or 128 % size[0]:
        return None
    from sdlab.embedded.catalogue import GLYPHS
    from sdlab.embedded.silhouettes import on_grid, silhouette

    named = word.lower().split()[-1]
    if named not in {glyph.name for glyph in GLYPHS}:
        return None
    mask = silhouette(run.image, named)
    found = None if mask is None else on_grid(mask, size[0])
    return found if found is not None and found.any() else None
