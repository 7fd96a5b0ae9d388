"""Which picture of a comparison is looked at, where it made several."""

from dashboard.shell.address import bound
from sdlab.comparing.comparison import Comparison

WORDS = 60


def choose_picture(page: str, comparison: Comparison, width: int = 420) -> tuple[str, int]:
    """Draw the choice where there is one, and return prompt and seed.

    Args:
        page: For the widget key, which is in the address.
        comparison: Whose pictures.
        width: Of the menu, pixels.
    """
    pictures = comparison.pictures
    if len(pictures) == 1:
        return pictures[0]
    by_name = {picture_name(prompt, seed): (prompt, seed) for prompt, seed in pictures}
    name = bound().selectbox(
        f"Picture, of {len(pictures)}", list(by_name), key=f"{page}.picture", 
        width=width,
    )  # fmt: skip
    return by_name[name]


def picture_name(prompt: str, seed: int) -> str:
    """Return what a picture is called in menus and charts."""
    short = prompt if len(prompt) <= WORDS else prompt[: WORDS - 1] + "…"
    return f"{short} · seed {seed}"
