"""What to say of an error from inside a pipeline's call: what failed, and what to change."""

import traceback
from typing import Any

from sdlab.errors import SdlabError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.pipeline_fields import PICTURES
from sdlab.models import inputs, memory
from sdlab.models.model import Model


def explained(
    error: BaseException, model: Model, experiment: Experiment, cls: type
) -> BaseException:
    """Return an error of a pipeline's insides with what to change; ours as they are.

    Args:
        error: What its call raised.
        model: Whose parts it ran over.
        experiment: What was asked for.
        cls: The pipeline's class.

    Returns:
        A ``ValueError`` where the pipeline raised one, else a ``SdlabError``.
    """
    ours = isinstance(error, SdlabError) or not isinstance(error, Exception)
    ours = ours or (isinstance(error, ValueError) and _raised_by_us(error))
    if ours or memory.is_out_of_memory(error):
        return error
    refused = isinstance(error, ValueError)
    said = f"refuses this: {error}" if refused else f"failed: {type(error).__name__}: {error}"
    sentence = f"{cls.__name__} {said}".rstrip(". ") + "."
    advice = _advice(error, model, experiment, cls)
    failure = (ValueError if refused else SdlabError)(" ".join([sentence, *advice]))
    failure.__cause__ = error
    return failure


def _raised_by_us(error: BaseException) -> bool:
    frames = [*traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1][0].f_globals.get("__name__")).startswith("sdlab.")


def _advice(error: BaseException, model: Model, x: Experiment, cls: type) -> list[str]:
    said, own = str(error), type(model.pipeline.scheduler).__name__
    found = []
    if x.mask_image is not None and "channels" in said:
        network: Any = model.network
        found.append(
            f"The network of {model.name} takes {network.config.get('in_channels')} channels, so"
            " this class draws inside no mask with it: leave mask_image out, or load a model made"
            " for inpainting."
        )
    lacking = [n for n in PICTURES if n in inputs.own_fields(cls) and getattr(x, n) is None]
    if lacking and not found:
        names = " and ".join(lacking)
        found.append(f"It was given no {names}; if it needs one, give {lacking[0]}.")
    if "FrozenDict" in said and x.solver != own:
        found.append(f"It may need its own scheduler: solver={own!r}, got {x.solver!r}.")
    if x.pipeline_options:
        found.append("Leave pipeline_options out.")
    return found
