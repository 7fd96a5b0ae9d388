"""Keeps Streamlit's watcher of source files away from installed packages.

After each run of a script or fragment in which a module was imported, the watcher asks the disk for
the files of all modules there are. With torch, diffusers and transformers these are 4,000: a
quarter of a second, after every tick of a page while the model loads. It watches the files of the
project alone, and those only are still asked for, each once.
"""

import sysconfig
from types import ModuleType

from streamlit.watcher import local_sources_watcher as watcher

_PLACES = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})
_paths_of = watcher.get_module_paths
_known: dict[str, set[str]] = {}


def spare_packages() -> None:
    """Let the watcher skip installed packages from now on."""
    watcher.get_module_paths = paths_of_source


def paths_of_source(module: ModuleType) -> set[str]:
    """Return the paths of a module, as Streamlit does; of one installed or without a file none."""
    path = getattr(module, "__dict__", {}).get("__file__")
    if not isinstance(path, str) or path.startswith(_PLACES):
        return set()
    if path not in _known:
        _known[path] = _paths_of(module)
    return _known[path]
