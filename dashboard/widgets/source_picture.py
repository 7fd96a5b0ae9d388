"""A picture to start from: a sample of the small world, the picture of a stored run, or an upload.

One component for every page that needs a picture. What is chosen is in the URL (``page.from``,
``page.sample``, ``page.scene``, ``page.run``); an upload cannot be, so it stays in the session for
all pages, and the page says so.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, show_error
from dashboard.shell.navigation import link_to
from dashboard.shell.state import note_run, own_runs
from dashboard.widgets.pictures import draw_picture, enlarged, png, small_png
from dashboard.widgets.uploads import take_upload
from dashboard.worker.stored_runs import StoredRun, stored_run
from sdlab.errors import SdlabError

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

SOURCES = ("Sample", "Run", "Upload")
DRAWN = "a scene drawn by number"
LATEST = 12
READING = 1.0
"""Seconds in which new run folders are read, the newest first; a large store takes longer."""
KEPT_SIDE = 1536
_UPLOAD = "pictures.upload"
_NO_RUN = "No run is stored here yet. The Experiment page makes the first one."


@dataclass(frozen=True)
class ChosenPicture:
    """The picture that was chosen.

    Attributes:
        png: The picture, 8-bit RGB, in its own size.
        label: What it is, as text.
        source: "sample", "run" or "upload".
        name: The sample's name, the run's id or the file's name.
        notes: What reading it changed, a sentence each.
        scene: What a sample is known by in ``sdlab.embedded.samples``; None of others.
    """

    png: bytes
    label: str
    source: str
    name: str
    notes: tuple[str, ...] = ()
    scene: str | int | None = None

    @property
    def digest(self) -> str:
        """16 hex digits that identify the pixels."""
        return hashlib.sha256(self.png).hexdigest()[:16]

    def image(self) -> "Image.Image":
        """Return the picture as a PIL image."""
        from PIL import Image

        return Image.open(io.BytesIO(self.png)).convert("RGB")


def choose_picture(page: str) -> ChosenPicture | None:
    """Draw the choice of a picture and return it; None while there is none, after saying why.

    Args:
        page: For the widget keys and the URL: the page's name.
    """
    source = bound().segmented_control("Picture", SOURCES, key=f"{page}.from", width="stretch")
    try:
        chosen = {"Sample": _sample, "Run": _run, "Upload": _upload}[source](page)
    except (ValueError, SdlabError) as error:
        show_error(error)
        return None
    if chosen is not None:
        draw_picture(enlarged(chosen.png), f"The picture to start from: {chosen.label}")
        label = chosen.label if chosen.source == "upload" else _sentence(chosen.label)
        st.caption(" ".join(plain(said) for said in (label, *chosen.notes)))
    return chosen


def _sample(page: str) -> ChosenPicture:
    from sdlab.embedded.samples import SAMPLES

    name = bound().selectbox(
        "Sample",
        [*SAMPLES, DRAWN],
        key=f"{page}.sample",
        help="Scenes of the small world on which the embedded model was trained, 128 x 128 px.",
    )
    if name != DRAWN:
        return ChosenPicture(_sample_png(name)[0], name, "sample", name, scene=name)
    number = bound().number_input(
        "Scene number",
        0,
        999_999,
        0,
        key=f"{page}.scene",
        help="Each number draws another scene; none of them was in the model's training.",
    )
    data, caption = _sample_png(int(number))
    return ChosenPicture(data, caption, "sample", f"scene {number}", scene=int(number))


@st.cache_data(max_entries=64, show_spinner="Drawing the sample …")
def _sample_png(name: str | int) -> tuple[bytes, str]:
    from sdlab.embedded.samples import drawn_picture, sample_picture

    image, label = drawn_picture(name) if isinstance(name, int) else (sample_picture(name), name)
    return png(image), label


def _run(page: str) -> ChosenPicture | None:
    from sdlab.image_files import read_image

    found = choose_stored_run(f"{page}.run", latest_runs(), _NO_RUN)
    if found is None:
        return None
    image = read_image(found.picture).image
    prompt = found.manifest["experiment"]["prompt"] or "(no prompt)"
    return ChosenPicture(png(image), prompt, "run", found.id)


def choose_stored_run(
    key: str, latest: list[tuple[str, str, str, str]], empty: str
) -> StoredRun | None:
    """Draw the choice of a stored run; None while there is none.

    Args:
        key: Of the field for its id, also in the address.
        latest: Those of ``latest_runs`` that are offered; the first is the default.
        empty: What is said, with the way to a first one, while there are none.

    Raises:
        ValueError: If no run of that id is stored.
    """
    if not latest:
        st.info(empty, icon=":material/grid_view:")
        link_to("experiment")
    else:
        _begin_with(key, latest[0][0])
    given = bound().text_input(
        "Run id",
        key=key,
        placeholder="16 digits of 0-9 and a-f",
        help="As in the address of the page One run; or take one of the latest below.",
    )
    if latest:
        with st.popover("Latest runs", icon=":material/grid_view:", width="stretch"):
            run_gallery(latest, key, partial(_take, key))
    run = (given or "").strip()
    if not run:
        return None
    found = stored_run(lab().runs, run)
    if found is None:
        raise ValueError(f"No run {run[:40]!r} is stored here; take one of the latest.")
    return found


def _begin_with(key: str, run: str) -> None:
    """Make a run the default, also where an earlier one was it and nobody has chosen."""
    first = f"{key}.default"
    given = st.session_state.get(key, st.query_params.get(key))
    if given in (None, st.session_state.get(first)):
        st.session_state[key] = st.session_state[first] = run
        if run not in own_runs():  # hold on to it: others make newer ones
            note_run(run)


def latest_runs() -> list[tuple[str, str, str, str]]:
    """Return id, prompt, folder and time of the latest whole runs, this session's last first."""
    from sdlab.runs.index import index_of
    from sdlab.runs.search import Search

    index, own = index_of(lab().runs), own_runs()
    index.refresh(READING)
    latest = _rows(index.find(Search(), LATEST))
    mine = {row[0]: row for row in _rows(index.find(Search(run=own)))} if own else {}
    first = [mine[run] for run in own if run in mine][:1]
    return [*first, *(row for row in latest if row not in first)][:LATEST]


def _rows(table: "pd.DataFrame") -> list[tuple[str, str, str, str]]:
    fields = ("run", "prompt", "path", "created")
    rows = zip(*(table[name].astype(str) for name in fields), strict=True)
    return [(run, prompt, path, created) for run, prompt, path, created in rows]


def run_gallery(
    latest: list[tuple[str, str, str, str]], key: str, take: Callable[[str], None]
) -> None:
    """Draw thumbnails of runs, each with a button that calls ``take`` with the run's id.

    Args:
        latest: Of ``latest_runs``.
        key: For the widget keys.
        take: What a button does.
    """
    with st.grid(3, min_column_width=110, gap="small"):
        for run, prompt, path, created in latest:
            with st.container(gap="xsmall"):
                picture = small_png(path, created)
                if picture:
                    draw_picture(picture, prompt or "(no prompt)")
                st.button(
                    plain(prompt[:24]) or "(no prompt)",
                    key=f"{key}.{run}",
                    on_click=take,
                    args=(run,),
                    type="tertiary",
                    help=run,
                )


def _take(key: str, run: str) -> None:
    st.session_state[key] = run


def _upload(page: str) -> ChosenPicture | None:
    from sdlab.image_files import MAX_BYTES, MAX_PIXELS, SUFFIXES

    key = f"{page}.file"
    take_upload(key, partial(_take_upload, key))
    held = st.file_uploader(
        "Upload a picture",
        type=list(SUFFIXES),
        key=key,
        on_change=_take_back,
        args=(key,),
        help=f"PNG, JPEG, WebP, BMP, TIFF or GIF; up to {MAX_BYTES / 1e6:.0f} MB and "
        f"{MAX_PIXELS / 1e6:.0f} million pixels. Of an animation the first frame is used, and "
        "transparent parts are laid on white.",
    )
    st.caption("An upload stays in this browser session; a link to this page does not include it.")
    kept: ChosenPicture | None = st.session_state.get(_UPLOAD)
    if held is not None and (error := st.session_state.get(f"{key}.error")):
        stays = f" {kept.name} stays in use." if kept else ""
        show_error(error + stays)
    return kept


def _take_back(key: str) -> None:
    if st.session_state.get(key) is None:
        st.session_state.pop(_UPLOAD, None)


def _take_upload(key: str, file: UploadedFile) -> None:
    """Read an upload; if it cannot be read, the previous picture stays in use."""
    from sdlab.image_files import read_image

    st.session_state[f"{key}.error"] = ""
    try:
        read = read_image(file.getvalue())
    except ValueError as error:
        st.session_state[f"{key}.error"] = f"{file.name}: {error}"
        return
    notes = [_sentence(read.found), *read.notes]
    image = read.image
    if max(image.size) > KEPT_SIDE:
        image.thumbnail((KEPT_SIDE, KEPT_SIDE))
        notes.append(f"Kept at {image.width} x {image.height} px.")
    picture = ChosenPicture(png(image), file.name, "upload", file.name, tuple(notes))
    st.session_state[_UPLOAD] = picture


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
