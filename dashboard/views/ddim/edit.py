"""Edit: invert under one caption, regenerate under another."""

from functools import partial
from typing import Any

import streamlit as st

from dashboard.shell.address import bound
from dashboard.shell.lab import lab
from dashboard.views.ddim import form
from dashboard.views.ddim.there_and_back import pictures
from dashboard.widgets.downloads import file_button
from dashboard.widgets.latent_source import Source
from dashboard.widgets.pictures import png
from dashboard.widgets.study_panel import study_panel
from dashboard.worker.snapshots import ModelView


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    page = f"{page}.edit"
    source, right = form.source_beside(page, model)
    if source is None:
        return
    with right:
        plain = lab().ask(lambda held: bool(held.plain), model.hash)
        settings, edited, start, hold = _settings(page, source, plain)
        found = study_panel(
            page,
            "Edit",
            (source.digest, settings, edited, start, hold),
            partial(_work, source.latents, settings, edited, start, hold),
            runs=[form.run_on(source.latents, settings.num_steps, model)],
        )
        if found is not None:
            pictures([(found.before, settings.prompt), (found.after, edited)], found.likeness)
            _facts(found, edited)


def _settings(page: str, source: Source, plain: bool) -> tuple[Any, str, int, float]:
    from sdlab.ddim.settings import DdimSettings

    text = form.caption(page, source.caption)
    edited = form.caption(page, _suggestion(source.caption), "Make it")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps, scale = form.num_steps(page), form.guidance(page, 3.0)
        negative = form.negative(page, scale)
    method, rounds = form.method(page, "edict")
    kept = bound().slider(
        "Steps kept", 0, steps - 1, 0, key=f"{page}.kept_{steps}",
        help="Regenerate from this step on; the more steps are kept, the more of the layout "
        "stays.",
    )  # fmt: skip
    if plain:
        hold = _hold(page)
    else:
        hold = 0
        st.caption(
            ":material/info: A plain edit: prompt-to-prompt, which keeps the attention of shared "
            "words, needs Stable Diffusion 1.x or 2.x (see Models)."
        )
    settings = DdimSettings(text, negative, scale, method, steps, iterations=rounds)
    count = settings.evaluations(int(kept), asked=0 if plain else 2)
    st.caption(f"{count:,} network evaluations.")
    return settings, edited, int(kept), hold / 100


def _hold(page: str) -> int:
    """Draw how long attention is held, which only Stable Diffusion 1.x and 2.x can do."""
    hold: int = bound().slider(
        "Keep the attention of shared words for", 0, 100, 40, 5, key=f"{page}.hold", format="%d %%",
        help="Prompt-to-prompt (Hertz et al. 2022): in the first part of the steps, the words that "
        "both captions share look where they looked under the first caption. 0 is a plain edit.",
    )  # fmt: skip
    return hold


def _suggestion(text: str) -> str:
    """Return a caption with something else in it, to begin with."""
    for old, new in (
        ("parrot", "penguin"), ("penguin", "parrot"), ("red", "blue"), ("cat", "dog"),
        ("beach", "meadow"), ("apple", "banana"), ("white", "yellow"), ("black", "blue"),
    ):  # fmt: skip
        if old in text.split():
            return text.replace(old, new, 1)
    return f"{text} at night" if text else "a cat on a beach"


def _work(latents: Any, settings: Any, edited: str, start: int, hold: float, model: Any) -> Any:
    import torch

    from sdlab.ddim.study import there_and_back

    x = torch.from_numpy(latents)
    return there_and_back(model, x, settings, edit=edited, start=start, inject=hold)


def _facts(found: Any, edited: str) -> None:
    st.caption(
        f"{found.start} of {len(found.inversion.sigmas) - 1} steps kept; before and after: PSNR "
        f"{found.likeness.psnr:.1f} dB.",
        help="The more an edit changes, the lower.",
    )
    with st.container(horizontal=True):
        for name, picture in (("Before", found.before), ("After", found.after)):
            data, low = png(picture), name.lower()
            file_button(f"{name} (PNG)", data, f"ddim-{low}.png", f"ddim.edit.png_{low}", "image")
