"""A button that copies the address of a page of this server to the clipboard."""

from dashboard.components.browser_files import component


def copy_link(path: str, key: str) -> None:
    """Draw the button.

    Args:
        path: From the server's root, such as "/run?id=...".
        key: The widget's.
    """
    component("copy_link")(data={"path": path}, key=key)
