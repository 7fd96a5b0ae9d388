"""On a server where people sign in: whose runs are listed, and what is refused to others."""

import shutil

import pytest
from starlette.datastructures import Headers

from dashboard.serving import serving
from dashboard.shell import visitor
from dashboard.shell.lab import lab
from dashboard.views.runs.whose import in_words, is_shared
from sdlab.experiment.experiment import Experiment
from sdlab.runs.marks import read_marks
from sdlab.runs.trash import list_trash
from tests.dashboard.conftest import read
from tests.dashboard.worker.waiting import until

HEADER = "x-forwarded-user"


@pytest.fixture
def page_of(tmp_path, monkeypatch, runs_folder, open_page):
    """Open the Runs page for a person, with some runs ticked."""
    path = tmp_path / "serving.toml"
    path.write_text('login = "header"\noperators = ["olga"]\n')
    monkeypatch.setenv("SDLAB_SERVING", str(path))
    serving.cache_clear()
    monkeypatch.setattr(lab().owned, "_operator", {"olga"}.__contains__)

    def opened(person, *ticked, **fields):
        monkeypatch.setattr(visitor, "_headers", lambda: Headers({HEADER: person}))
        at = open_page("runs", **{"runs.text": "whose words", **fields})
        at.session_state["runs.ticked"] = {run: (run,) for run in ticked}
        at.session_state["runs.revision"] = 1
        return at.run()

    yield opened
    serving.cache_clear()


@pytest.fixture(scope="module")
def made(runs_folder):
    """Anna's run, eve's, and one that was made without login."""
    specs = [
        Experiment(prompt="whose words", seed=n, num_steps=1, width=64, height=64) for n in range(3)
    ]
    runs = [
        lab().submit(spec, owner=who) for spec, who in zip(specs, ("anna", "eve", ""), strict=True)
    ]
    until(lambda: all((runs_folder / run).is_dir() for run in runs))
    yield runs
    for run in runs:
        shutil.rmtree(runs_folder / run, ignore_errors=True)


def test_mine_shared_and_everybodys_are_listed_apart(page_of, made):
    def ids(at):
        return set(at.dataframe[0].value["id"])

    assert ids(page_of("anna")) == set(made)
    assert set(page_of("anna").dataframe[0].value["owner"]) == {"anna", "eve", ""}
    assert ids(page_of("anna", **{"runs.whose": "Mine"})) == {made[0]}
    assert ids(page_of("anna", **{"runs.whose": "Shared"})) == {made[2]}
    fields = {"runs.whose": "Mine", "runs.text": ""}
    assert "None of the stored runs is yours" in page_of("ben", **fields).info[0].value
    assert "No stored run has all that" in page_of("ben", **{"runs.whose": "Mine"}).info[0].value


def test_others_runs_are_neither_deleted_nor_tagged(page_of, made, runs_folder):
    at = page_of("eve", made[0], made[1])
    at.button(key="runs.delete").click().run()
    assert "belongs to anna; only they or an operator may delete it" in read(at.error[0])
    assert not list_trash(runs_folder)
    at = page_of("eve", made[0])
    at.button(key="runs.give_star").click().run()
    assert "may mark it" in read(at.error[0]) and not read_marks(runs_folder / made[0]).star


def test_what_its_owner_shares_others_may_mark(page_of, made, runs_folder):
    page_of("anna", made[0]).button(key="runs.share").click().run()
    assert {made[0], made[2]} == set(
        page_of("eve", **{"runs.whose": "Shared"}).dataframe[0].value["id"]
    )
    at = page_of("eve", made[0])
    at.button(key="runs.give_star").click().run()
    assert not at.error and read_marks(runs_folder / made[0]).star
    page_of("anna", made[0]).button(key="runs.share").click().run()


def test_an_operator_deletes_and_puts_back(page_of, made, runs_folder):
    page_of("olga", made[1]).button(key="runs.delete").click().run()
    assert [deleted.name for deleted in list_trash(runs_folder)] == [made[1]]
    assert not page_of("anna", **{"runs.section": "Trash"}).dataframe
    assert len(page_of("eve", **{"runs.section": "Trash"}).dataframe[0].value) == 1
    lab().owned.restore("run", made[1], "eve")


def test_ones_own_failed_runs_alone_are_asked_for_again(page_of):
    wrong = [Experiment(prompt="whose failed", seed=n, num_steps=1, solver="huen") for n in (1, 2)]
    runs = [lab().submit(spec, owner=who) for spec, who in zip(wrong, ("anna", "eve"), strict=True)]
    until(lambda: all(not lab().get(run).live for run in runs))
    count = len(lab().known_runs.broken_off(None))  # other tests may have left some
    at = page_of("olga")
    assert any(button.label == f"Run all {count} again" for button in at.button)
    at = page_of("eve")
    next(button for button in at.button if button.label == "Run it again").click().run()
    assert lab().owned.owners("run", runs[0]) == ("anna",)
    assert lab().owned.owners("run", runs[1]) == ("eve",)
    until(lambda: all(not lab().get(run).live for run in runs))
    for run in runs:
        lab().asked_runs.dismiss(run, "olga")


def test_a_page_is_nobodys_who_is_not_signed_in(page_of):
    at = page_of("")
    assert "names nobody" in read(at.error[0]) and not at.dataframe


def test_owners_are_said_in_words():
    assert in_words("*, anna, ben") == "anna, ben (shared)" and in_words("") == ""
    assert is_shared("*, anna") and not is_shared("anna*, ben")
