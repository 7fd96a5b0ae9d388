"""Where the pages lie and how the menu shows them."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).resolve().parents[1]
# Beside the package in the repository, within it where it was installed from a wheel.
_FOLDER = next(at / "pages" for at in (_HERE / "entry", _HERE.parent) if (at / "pages").is_dir())
# Section, then its pages: file, title, icon.
_MENU = {
    "Run": (
        ("home", "Home", "home"),
        ("experiment", "Experiment", "science"),
        ("compare", "Compare", "compare"),
        ("runs", "Runs", "grid_view"),
        ("run", "Run", "frame_inspect"),
        ("models", "Models", "deployed_code"),
    ),
    "Noise": (
        ("noise_schedules", "Noise schedules", "show_chart"),
        ("noised_images", "Noised images", "blur_on"),
        ("solver_bench", "Solver bench", "speed"),
        ("workbench", "Workbench", "architecture"),
    ),
    "Latents": (
        ("latents", "Latents", "layers"),
        ("ddim", "DDIM", "swap_horiz"),
    ),
    "Words": (
        ("tokens", "Tokens", "text_fields"),
        ("attention", "Attention", "visibility"),
    ),
}


def page_path(name: str) -> Path:
    """Return the file of a page, as ``st.page_link`` and ``st.switch_page`` take it."""
    return _FOLDER / f"{name}.py"


def menu() -> dict[str, list[st.Page]]:
    """Return the pages by section, in order; Home is the default and lives at ``/``."""
    return {
        section: [
            st.Page(
                page_path(name),
                title=title,
                icon=f":material/{icon}:",
                url_path=None if name == "home" else name,
                default=name == "home",
            )
            for name, title, icon in pages
        ]
        for section, pages in _MENU.items()
    }
