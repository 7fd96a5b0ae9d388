"""Streamlit's watcher looks at the project's files, and at no installed package's."""

import sys

import altair
from streamlit.watcher import local_sources_watcher as watcher

import dashboard.shell.lab
from dashboard.shell.watching import spare_packages


def test_installed_packages_are_spared(monkeypatch):
    monkeypatch.setattr(watcher, "get_module_paths", watcher.get_module_paths)  # put back
    spare_packages()
    seen = watcher.LocalSourcesWatcher.update_watched_modules.__globals__["get_module_paths"]
    assert seen(dashboard.shell.lab) == {dashboard.shell.lab.__file__}
    assert seen(dashboard.shell.lab) is seen(dashboard.shell.lab)  # the disk is asked once
    assert seen(altair) == seen(sys) == seen(sys.modules["json"]) == set()
