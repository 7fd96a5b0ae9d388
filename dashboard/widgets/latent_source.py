"""Latents to look at: of a stored run, of any picture through the VAE, or from a file.

Latents are float32 NumPy arrays [1, C, h, w]; the model is only used in the worker's thread.
"""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import opening, plain, show_error
from dashboard.shell.model_choice import say_no_model
from dashboard.shell.state import session_id
from dashboard.widgets.pictures import png
from dashboard.widgets.source_picture import ChosenPicture, choose_picture
from dashboard.widgets.typed import parse_seed
from dashboard.worker.snapshots import ModelView
from dashboard.worker.stored_runs import stored_run
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    from PIL import Image

    from sdlab.latents.files import LatentsFile

Latents = NDArray[np.float32]

OTHER_SAMPLE = "a penguin in the snow"
LARGEST_AREA = 16  # times the model's own; larger pictures are made smaller, files refused
TILED_AREA = 4  # times the model's own; what is larger is decoded in tiles
_FILE_LIMIT_MB = 64


@dataclass(frozen=True)
class Source:
    """Latents with their origin.

    Attributes:
        latents: float32 [1, C, h, w].
        label: What they are, as text.
        caption: What the picture shows, for prompts; "" if unknown.
        image: The picture they were encoded from or became; None for a file.
        run: The run's id if they are a run's own; "" else.
        notes: What was done to the picture, sentences.
        encoded: Whether they were encoded from the image; else it was decoded from them.
    """

    latents: Latents
    label: str
    caption: str
    image: "Image.Image | None" = None
    run: str = ""
    notes: tuple[str, ...] = field(default=())
    encoded: bool = False

    @property
    def digest(self) -> str:
        """16 hex digits that identify the latents."""
        return hashlib.sha256(self.latents.tobytes()).hexdigest()[:16]


def model_in_hand() -> ModelView:
    """Return the model in memory, waiting for it if it is still being loaded; else stop here."""
    with opening():
        lab().catalogue()
    model = lab().status().model
    if model is None:
        say_no_model()
        st.stop()
    return model


def choose_source(page: str, model: ModelView) -> Source | None:
    """Draw the choice of latents and return them; None while there are none, after saying why.

    Args:
        page: For the widget keys and the URL: the page's name.
        model: The model in memory.
    """
    place = st.container()
    found = _file(page, model)
    with place:
        picture = choose_picture(page) if found is None else None
    if picture is not None:
        try:
            with place:
                found = _of_picture(page, picture, model)
        except (ValueError, SdlabError) as error:
            show_error(error)
    if found is None:
        return None
    _, channels, height, width = found.latents.shape
    size = f"{channels} channels of {width} x {height}"
    st.caption(" ".join((f"Latents: {size}.", *found.notes)))
    return found


def another_sample(page: str) -> None:
    """Make another sample than the first the default of a second choice."""
    key = f"{page}.sample"
    if key not in st.session_state and key not in st.query_params:
        st.session_state[key] = OTHER_SAMPLE


def decoded(latents: Latents, model: ModelView) -> bytes:
    """Return the picture of latents [1, C, h, w] as a PNG, by the model's VAE.

    What is larger than ``TILED_AREA`` times the model's own size is decoded in tiles.
    """
    return _decoded(latents, model.hash, in_tiles(latents, model))


def in_tiles(latents: Latents, model: ModelView) -> bool:
    """Return whether latents are large enough to be decoded in tiles."""
    return area(latents, model.default_size, _vae_factor(model.hash)) > TILED_AREA


def picture_size(latents: Latents, model: ModelView) -> tuple[int, int]:
    """Return (width, height) in pixels of the picture of latents [1, C, h, w]."""
    factor = _vae_factor(model.hash)
    return latents.shape[3] * factor, latents.shape[2] * factor


def area(latents: Any, size: tuple[int, int], vae_factor: int) -> float:
    """Return the area of the picture of latents, as a multiple of the model's own ``size``."""
    return latents.shape[2] * latents.shape[3] * vae_factor**2 / (size[0] * size[1])


@st.cache_data(max_entries=8, show_spinner=False)
def _vae_factor(model_hash: str) -> int:
    return lab().ask(lambda model: model.vae_factor, model_hash)


@st.cache_data(max_entries=256, show_spinner="Decoding …")
def _decoded(latents: Latents, model_hash: str, tiled: bool) -> bytes:
    def decode(model: Any) -> "Image.Image":
        import torch

        return model.decode(torch.from_numpy(latents), tiled=tiled)

    image = lab().ask(decode, model_hash, session_id())
    return png(image, side=max(512, *image.size))


def _of_picture(page: str, picture: ChosenPicture, model: ModelView) -> Source:
    own = _of_run(picture, model) if picture.source == "run" else None
    encoding = _encoding(page) if own is None else _encoding_of_run(page)
    if own is not None and encoding is None:
        return own
    sample, seed = encoding or (False, 0)
    image, notes = fitted(picture, model)
    latents = _encoded(picture.digest, image.size, model.hash, sample, seed, image)
    if own is None and picture.source == "run":
        notes = (
            "Another model made this run, so its picture was encoded by this one's VAE.",
            *notes,
        )
    if sample:
        notes = (*notes, f"A sample of the encoder's posterior, seed {seed}.")
    caption = "" if picture.source == "upload" else picture.label
    run = "" if own is None else own.run
    return Source(latents, picture.label, caption, image, run, notes, encoded=True)


def _of_run(picture: ChosenPicture, model: ModelView) -> Source | None:
    run = stored_run(lab().runs, picture.name)
    if run is None or run.manifest["model"].get("hash") != model.hash:
        return None
    latents = _run_latents(str(run.folder), run.folder.stat().st_mtime)
    caption = run.manifest["experiment"]["prompt"]
    return Source(latents, picture.label, caption, picture.image(), picture.name)


@st.cache_data(max_entries=64, show_spinner=False)
def _run_latents(folder: str, changed: float) -> Latents:
    import sdlab

    return sdlab.open_run(folder).latents.float().numpy()


def fitted(picture: ChosenPicture, model: ModelView) -> "tuple[Image.Image, tuple[str, ...]]":
    """Return a picture fitted to the model's grid, and notes on what was done."""
    from sdlab.latents.image import fit

    image, (width, height) = picture.image(), model.default_size
    factor = _vae_factor(model.hash)
    on_grid = not (image.width % factor or image.height % factor)
    if on_grid and image.width * image.height <= LARGEST_AREA * width * height:
        return image, ()
    done = fit(image, width, height, "crop", factor)
    return done.image, done.notes


def _encoding(page: str) -> tuple[bool, int]:
    """Draw how to encode and return whether to sample, and the seed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        how = bound().segmented_control(
            "Encoding",
            ("Mean", "Sample"),
            key=f"{page}.encoding",
            help="The VAE gives each latent pixel a Gaussian: take its mean, or draw from it.",
        )
        return (False, 0) if how == "Mean" else (True, _posterior_seed(page))


def _encoding_of_run(page: str) -> tuple[bool, int] | None:
    """Draw whether and how to encode a run's picture again; None for the run's final latents."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        how = bound().segmented_control(
            "Latents",
            ("Its own", "Mean", "Sample"),
            key=f"{page}.run_latents",
            help="The run's final latents, or its picture encoded again: the VAE gives each latent "
            "pixel a Gaussian; take its mean, or draw from it.",
        )
        if how == "Its own":
            return None
        return (False, 0) if how == "Mean" else (True, _posterior_seed(page))


def _posterior_seed(page: str) -> int:
    text = bound().text_input("Seed", "0", key=f"{page}.encoding_seed", width=110)
    return parse_seed(text or "")


@st.cache_data(max_entries=64, show_spinner="Encoding …")
def _encoded(
    digest: str, size: tuple[int, int], model_hash: str, sample: bool, seed: int,
    _image: "Image.Image",
) -> Latents:  # fmt: skip
    from sdlab.latents.image import encode

    def run(model: Any) -> Latents:
        return encode(model, _image, sample=sample, seed=seed).cpu().numpy()

    return lab().ask(run, model_hash, session_id())


def _file(page: str, model: ModelView) -> Source | None:
    """Draw the upload of a latents file and return what it holds, if there is one."""
    with st.expander("Open a latents file", icon=":material/upload_file:", key=f"{page}.open"):
        file = st.file_uploader(
            "Latents (.safetensors)",
            type=["safetensors"],
            key=f"{page}.latents",
            help=f"As the Experiments section saves them; up to {_FILE_LIMIT_MB} MB. While it is "
            "here it is used instead of the picture.",
        )
        others = st.toggle(
            "Accept latents of another model",
            key=f"{page}.any_model",
            help="This model's decoder may read them wrongly; they are rescaled for it.",
        )
        if file is None:
            return None
        data = file.getvalue()
        try:
            found = lab().ask(lambda m: read_file(data, m, others), model.hash)
        except (ValueError, SdlabError) as error:
            show_error(f"{file.name}: {error}")
            return None
        st.caption(plain(f"{file.name} is in use. {found.note}"))
    return Source(found.latents.numpy(), file.name, found.note)


def read_file(data: bytes, model: Any, any_model: bool) -> "LatentsFile":
    """Return what a latents file holds, if its picture is not too large to be decoded here.

    Raises:
        ValueError: As ``sdlab.latents.files.read_latents``, and of a size beyond ``LARGEST_AREA``.
    """
    from sdlab.latents.files import read_latents

    found = read_latents(data, model, any_model=any_model)
    height, width = found.latents.shape[2:]
    if area(found.latents, model.default_size, model.vae_factor) > LARGEST_AREA:
        own = " x ".join(str(side // model.vae_factor) for side in model.default_size)
        raise ValueError(
            f"The latents are {width} x {height}; at most {LARGEST_AREA} times the area of this"
            f" model's {own} is decoded here. Crop them, or use Model.decode(..., tiled=True)."
        )
    return found
