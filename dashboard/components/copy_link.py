"""A button that copies the address of a page of this server to the clipboard."""

from dashboard.components.browser_files import component


def copy_link(path: str, key: str, kept: tuple[str, ...] = ()) -> None:
    """Draw the button.

    Args:
        path: From the server's root, such as "/run?id=..."; "" for the page's own address.
        key: The widget's.
        kept: Fields that the copied address takes from that of the page, where it has them.
    """
    component("copy_link")(data={"path": path, "kept": list(kept)}, key=key)
