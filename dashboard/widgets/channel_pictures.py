"""Maps of latent channels on one scale, with a legend."""

from typing import Any

import streamlit as st

from dashboard.components.browser_files import style
from dashboard.widgets.pictures import draw_picture, png


def channel_grid(latents: Any, what: str, limit: float | None = None) -> None:
    """Draw every channel of latents [1, C, h, w], and the scale they share.

    Args:
        latents: An array or tensor.
        what: Of what, for the alternative text.
        limit: Value of the darkest colour; None for the largest magnitude.
    """
    from sdlab.latents.maps import STOPS, channel_maps, largest

    reach = largest(latents) if limit is None else limit
    maps = channel_maps(latents, reach)
    with st.grid(4, min_column_width=95, gap="small"):
        for channel, image in enumerate(maps):
            with st.container(gap="xsmall"):
                draw_picture(png(image), f"Channel {channel} of {what}")
                st.caption(f"channel {channel}")
    scale_bar(STOPS, f"-{reach:.3g}", "0", f"{reach:.3g} latent units")


def scale_bar(stops: tuple[tuple[int, int, int], ...], *labels: str) -> None:
    """Draw a colour scale with labels spread evenly below it."""
    from sdlab.latents.maps import legend

    words = "".join(f"<span>{label}</span>" for label in labels)
    st.html(
        f'{style(__file__)}<div class="color-scale">'
        f'<div class="bar" style="background:{legend(stops)}"></div>'
        f'<div class="labels">{words}</div></div>'
    )
