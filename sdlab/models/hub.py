"""Loads a pipeline by its hub id, configs first, so that a wrong one costs no gigabytes.

huggingface_hub keeps what it fetched in its cache, and uses only that when it is offline.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlab.errors import ModelError
from sdlab.models.components import INDEX, absent, components, left_out, pipeline_class
from sdlab.models.families import check_scheduler, check_words_only
from sdlab.models.folder import CONFIGS, load_folder
from sdlab.models.loading_stages import Stage, Tell, nobody
from sdlab.models.quiet import quiet
from sdlab.models.weights import CONVERT

if TYPE_CHECKING:
    import torch


TIMEOUT_SECONDS = 10.0


def load_hub(
    name: str,
    dtype: "torch.dtype",
    revision: str | None = None,
    variant: str | None = None,
    token: str | bool | None = None,
    tell: Tell = nobody,
) -> Any:
    """Return the pipeline of a hub id, on the CPU.

    Args:
        name: "organisation/model".
        dtype: What to keep the weights in.
        revision: Branch, tag or commit; None for the main branch.
        variant: Which of several weight files, for example "fp16".
        token: An access token; None for the one of ``hf auth login``, False for none.
        tell: Called as each stage begins.

    Raises:
        ModelError: If it cannot be reached, is not there, is gated, is no pipeline of the installed
            diffusers, or has no safetensors weights.
    """
    index, place = _configs(name, revision, token)
    cls = pipeline_class(index, name)
    with quiet():
        try:
            unwanted = {**absent(index, cls), **left_out(cls)}
            tell(Stage("downloading"))
            folder = cls.download(name, variant=variant, use_safetensors=True, **place, **unwanted)
            pipeline = load_folder(Path(folder), dtype, variant, tell)
        except ModelError as error:
            raise ModelError(f"{name!r}: {error}") from error
        except Exception as error:  # network, cache and format troubles of three libraries
            raise ModelError(_explain(error, name, revision, variant)) from error
    pipeline.register_to_config(_name_or_path=name)
    return pipeline


def check_hub(name: str, revision: str | None = None, token: str | bool | None = None) -> None:
    """Fetch and check the configs of a hub id.

    Raises:
        ModelError: If it cannot be reached, is not there, is gated, or is no pipeline of the
            installed diffusers.
    """
    _configs(name, revision, token)


def _configs(
    name: str, revision: str | None, token: str | bool | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a hub id's checked ``model_index.json`` and the arguments to load the rest with."""
    place: dict[str, Any] = {"revision": revision, "token": token}
    with quiet():
        place["local_files_only"] = _unreachable(name, revision, token)
        try:
            index = _fetch(name, INDEX, place)
            for part in components(index, name):
                file = f"{part.name}/{CONFIGS[part.kind][0]}"
                if part.kind == "scheduler":
                    check_scheduler(_fetch(name, file, place), name)
                elif part.name == "unet":
                    check_words_only(index["_class_name"], _fetch(name, file, place), name)
        except ModelError:
            raise
        except Exception as error:  # network, cache and format troubles of two libraries
            raise ModelError(_explain(error, name, revision, None)) from error
    return index, place


def _unreachable(name: str, revision: str | None, token: str | bool | None) -> bool:
    """Return whether the hub gives no answer, asked once: its client would try for 25 s."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    try:
        url = hf_hub_url(name, INDEX, revision=revision)
        get_hf_file_metadata(url, token=token, timeout=TIMEOUT_SECONDS)
    except HfHubHTTPError:
        return False  # an answer, if no good one; it is told when the file is fetched
    except Exception:  # no connection, no name, no time, offline mode
        return True
    return False


def _fetch(name: str, file: str, place: dict[str, Any]) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    config: dict[str, Any] = json.loads(
        Path(hf_hub_download(name, file, **place)).read_text("utf-8")
    )
    return config


def _explain(error: Exception, name: str, revision: str | None, variant: str | None) -> str:
    from huggingface_hub import errors

    where = f"{name!r}" + (f" at revision {revision!r}" if revision else "")
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{where} is gated: its authors ask you to accept their terms. Do so on its page, then"
            " pass token=... or run `hf auth login`."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{where} was not found on the hub: it is misspelt, or private. Check the id"
            " (organisation/model); for a private one pass token=... or run `hf auth login`."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name!r} has no revision {revision!r}; pass a branch, tag or commit that it has."
    if isinstance(error, (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)):
        return (
            f"{where} is not in the local cache and the hub cannot be reached. Connect once, unset"
            " HF_HUB_OFFLINE if it is set, or load a folder or a .safetensors file."
        )
    if isinstance(error, errors.EntryNotFoundError):
        return f"{where} is no diffusers pipeline: it has no {INDEX}, or lacks a config. ({first})"
    if "safetensors" in first or "variant" in first:
        asked = f" in the variant {variant!r}" if variant else ""
        return (
            f"{where} has no safetensors weights{asked}; pickled ones are not opened. Try another"
            f" variant or revision. {CONVERT}"
        )
    return f"{where} cannot be loaded: {first}"
