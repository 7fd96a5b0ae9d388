"""A field for a picture that an experiment starts from: uploaded, or taken from a stored run.

The address holds the picture's hash, not its pixels: those are kept on the server. A link that
names a picture which is not kept there says so.
"""

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.shell.address import given, keep
from dashboard.shell.lab import lab
from dashboard.shell.messages import plain, show_error
from dashboard.shell.visitor import visitor
from dashboard.widgets.pictures import draw_picture, enlarged, png
from dashboard.widgets.source_picture import latest_runs, run_gallery
from dashboard.widgets.uploads import take_upload
from dashboard.worker.limits import LimitError
from dashboard.worker.stored_runs import stored_run

if TYPE_CHECKING:
    from sdlab.experiment.picture import Picture

KEPT_SIDE = 2048


def picture_field(
    key: str, label: str, about: str, *, mode: str = "RGB", size: tuple[int, int] | None = None
) -> "Picture | None":
    """Draw the field and return its picture, or None while there is none.

    Args:
        key: Of the field, and the name in the address.
        label: What the picture is.
        about: What it does, for the field's help.
        mode: "RGB", or "L" for a mask.
        size: (width, height) that it is cropped and resized to; None keeps its own.
    """
    take_upload(_uploader(key), partial(_take_upload, key, mode=mode))
    picture = _shown(key, label)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        _upload(key, label, about)
        _from_a_run(key, label, mode)
    if picture is None:
        return None
    used = picture if size is None else fitted(picture, size)
    draw_picture(enlarged(png(used.image)), label, 192)
    st.caption(_sizes(picture, used))
    st.button(
        f"Remove the {label.lower()}",
        key=f"{key}.remove",
        icon=":material/close:",
        type="tertiary",
        on_click=partial(_remove, key),
    )
    return used


@lru_cache(maxsize=16)
def fitted(picture: "Picture", size: tuple[int, int]) -> "Picture":
    """Return a picture filled into a frame: resized, the rest cut off evenly at both ends."""
    from sdlab.experiment.picture import Picture
    from sdlab.latents.image import fit

    return Picture.of(fit(picture.image, *size).image, picture.mode)


def _shown(key: str, label: str) -> "Picture | None":
    """Return the picture that the session or the address names; say so if it is not kept here."""
    own = st.session_state.get(f"{key}.hash", "")
    changed = st.session_state.pop(f"{key}.changed", False)  # here, just now: the address is old
    chosen = own if changed else given(key) or own
    st.session_state[f"{key}.hash"] = chosen
    keep(key, chosen)
    if not chosen:
        return None
    picture = lab().pictures.find(chosen)
    if picture is None:
        st.warning(
            f"The {label.lower()} of this link, {plain(repr(chosen[:40]))}, is not kept on this "
            "server: a link names a picture, it does not hold it. Upload the picture again.",
            icon=":material/broken_image:",
        )
    return picture


def _uploader(key: str) -> str:
    """Return the uploader's key; a new one empties it."""
    return f"{key}.file_{st.session_state.get(f'{key}.turn', 0)}"


def _upload(key: str, label: str, about: str) -> None:
    from sdlab.image_files import SUFFIXES

    uploader = _uploader(key)
    held = st.file_uploader(
        label,
        type=list(SUFFIXES),
        key=uploader,
        help=f"{about} More than {KEPT_SIDE} px a side are reduced to that.",
        on_change=partial(_take_back, key, uploader),
    )
    if held is not None and (error := st.session_state.get(f"{key}.error")):
        show_error(error)


def _take_upload(key: str, file: UploadedFile, mode: str) -> None:
    """Read an upload; if it cannot be read, the picture before stays in use."""
    from sdlab.experiment.picture import Picture

    try:
        image = Picture.of(file.getvalue(), mode).image
        image.thumbnail((KEPT_SIDE, KEPT_SIDE))
        _take(key, Picture.of(image, mode))
        st.session_state[f"{key}.error"] = ""
    except (ValueError, LimitError) as error:
        st.session_state[f"{key}.error"] = f"{file.name}: {error}"


def _take_back(key: str, uploader: str) -> None:
    """Remove the picture with its upload, unless what was uploaded was none."""
    if st.session_state.get(uploader) is None and not st.session_state.get(f"{key}.error"):
        _set(key, "")


def _from_a_run(key: str, label: str, mode: str) -> None:
    place = st.popover(
        "From a run", icon=":material/grid_view:", key=f"{key}.runs", on_change="rerun"
    )
    if not place.open:
        return
    with place:
        latest = latest_runs()
        if latest:
            run_gallery(latest, key, partial(_take_run, key, mode))
        else:
            st.caption(f"No run is stored yet whose picture could be the {label.lower()}.")


def _take_run(key: str, mode: str, run: str) -> None:
    from sdlab.experiment.picture import Picture

    found = stored_run(lab().runs, run)
    if found is not None:
        _take(key, Picture.of(found.picture, mode))


def _take(key: str, picture: "Picture") -> None:
    lab().pictures.keep(picture, visitor().id)
    _set(key, picture.hash)


def _remove(key: str) -> None:
    _set(key, "")
    st.session_state[f"{key}.turn"] = st.session_state.get(f"{key}.turn", 0) + 1
    st.session_state[f"{key}.error"] = ""


def _set(key: str, picture_hash: str) -> None:
    st.session_state[f"{key}.hash"] = picture_hash
    st.session_state[f"{key}.changed"] = True


def _sizes(picture: "Picture", used: "Picture") -> str:
    own = f"{picture.width} x {picture.height} px"
    if (picture.width, picture.height) == (used.width, used.height):
        return f"{own}."
    return f"{own}, cropped and resized to {used.width} x {used.height} px."
