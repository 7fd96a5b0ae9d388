"""Packages that only some commands need: an extra of sdlab each."""

from importlib import import_module
from typing import Any

from sdlab.errors import SdlabError


def extra(package: str, name: str) -> Any:
    """Return a package that belongs to an extra.

    Args:
        package: Its name, as imported.
        name: The extra's.

    Raises:
        SdlabError: If it is not installed; the message says how it is.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise
        raise SdlabError(
            f"{package} is not installed, which this needs: pip install 'sdlab[{name}]'."
        ) from None
