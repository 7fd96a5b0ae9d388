"""Every page's first state: accessible in both themes, usable on a phone, no longer than it must.

One walk through all pages, which these tests share. The dark theme has its own walk: `make every`.
"""

import pytest

from dashboard.shell.navigation import entries
from tests.e2e.survey import AXE, PHONE, STREAMLITS_OWN, Face, survey

LONGEST = 2000
# One with charts, one with a form, one with neither.
DARK = ("noise_schedules", "experiment", "home")


def seen(browser, server, dark) -> list[Face]:
    if not AXE.is_file():
        pytest.skip("needs axe-core, which `npm ci` installs")
    return list(survey(browser, server, dark))


@pytest.fixture(scope="module")
def faces(browser, server) -> list[Face]:
    return seen(browser, server, DARK)


def test_axe_finds_nothing_that_is_ours(faces):
    assert {face.name: face.ours for face in faces if face.ours} == {}


@pytest.mark.every
def test_nor_in_the_dark_theme_of_any_page(browser, server):
    faces = seen(browser, server, list(entries()))
    assert {face.name: face.ours for face in faces if face.ours} == {}


def test_what_is_streamlits_own_is_still_there(faces):
    assert set.union(*(face.own for face in faces)) == set(STREAMLITS_OWN)


def test_a_phone_shows_every_page_without_scrolling_sideways(faces):
    assert {f.name: f.phone_width for f in faces if f.phone_width > PHONE} == {}
    assert {face.name: face.cut for face in faces if face.cut} == {}


def test_no_page_is_longer_than_two_screens(faces):
    assert {face.name: face.length for face in faces if face.length > LONGEST} == {}


def test_at_most_one_button_of_a_page_answers_to_the_shortcut(faces):
    found = {face.name: (face.runs, face.fields > 0) for face in faces if face.runs}
    pages = ("experiment", "models", "workbench", "ddim", "attention", "playground")
    # what takes long does not start by Enter in a field of one line
    long = ("compare", "noise_schedules", "price", "sweep")
    assert found == dict.fromkeys(pages, (1, True)) | dict.fromkeys(long, (1, False))
