"""The menu: every page says its own place in it."""

import re

import pytest

from dashboard.shell import navigation


def test_the_menu_holds_every_page_in_order_home_first():
    found = navigation.entries()
    assert list(found)[0] == "home"
    assert set(found) == {path.stem for path in navigation._FOLDER.glob("*.py")}
    assert list(dict.fromkeys(entry.section for entry in found.values())) == [
        "Pictures", "Learn", "Noise", "Latent space", "Words", "Network",
    ]  # fmt: skip
    places = [entry.place for entry in found.values()]
    assert places == sorted(set(places))


def test_a_page_that_does_not_say_its_place_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("x = 1\n")
    monkeypatch.setattr(navigation, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=re.escape("pages/mine.py must say its place in the menu")):
        navigation.entries()


def test_a_page_added_to_the_folder_stands_in_the_menu(tmp_path, monkeypatch):
    line = {"section": "Mine", "title": "My page", "icon": "star", "place": 5}
    (tmp_path / "mine.py").write_text(f'"""Mine."""\nMENU = {line}\n')
    monkeypatch.setattr(navigation, "_FOLDER", tmp_path)
    assert navigation.entries() == {"mine": navigation.Entry("Mine", "My page", "star", 5)}
