"""Two pictures on top of each other with a slider between them, moved in the browser."""

from dashboard.components.browser_files import component


def wipe(a: dict[str, str], b: dict[str, str], size: tuple[int, int], key: str) -> None:
    """Draw two pictures and the slider; left of it is the first.

    Args:
        a: "name", "src" and "alt" of the first.
        b: Of the second.
        size: (width, height) in pixels, for the shape.
        key: The widget's.
    """
    ratio = f"{size[0]} / {size[1]}"
    component("wipe")(data={"a": a, "b": b, "ratio": ratio, "sharp": 320}, key=key)
