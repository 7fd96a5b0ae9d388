"""A stored run is made again on its page: by a script of diffusers, and bit by bit."""

import ast
import json

import pytest

from dashboard.shell.lab import lab
from sdlab.reproducing.script import diffusers_script
from sdlab.runs.run_folder import open_run
from sdlab.shipped import EMBEDDED, FLOW
from tests.dashboard.conftest import load_into_pages, read, run_until
from tests.dashboard.forms import open_tab, start, study


@pytest.fixture
def files(quick):
    return open_tab(start(quick), "Files")


def opened(at, key):
    at.session_state[key] = True
    at.run()
    assert not at.exception and not at.error
    return at


def test_the_script_is_that_of_the_library(files, embedded):
    run = "".join(files.query_params["run"])
    stored = open_run(lab().runs / run).experiment
    assert len(files.code) == 1
    at = opened(files, "run.script")
    (text,) = (c.value for c in at.code if "diffusers alone" in c.value)
    assert text == diffusers_script(embedded, stored).rstrip("\n")
    ast.parse(text)
    assert any("Nothing of sdlab is in it" in c.value for c in at.caption)


def test_of_a_run_made_in_shared_calls_no_bits_are_promised(files, open_page):
    run = "".join(files.query_params["run"])
    at = opened(opened(files, "run.script"), "run.same")
    assert sum("bit for bit" in c.value for c in at.caption) == 2
    manifest = lab().runs / run / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"shared_calls": 1}))
    at.run()
    said = [c.value for c in at.caption if "within rounding, since" in c.value]
    assert len(said) == 2 and not any("bit for bit" in c.value for c in at.caption)
    at = open_page("attention", run=run)
    assert any("the same within rounding, since it was made in" in i.value for i in at.info)


def test_it_is_run_again_and_compared(files):
    at = study(opened(files, "run.same"), "run.again.start")
    at = run_until(at, lambda a: a.success)
    assert read(at.success[0]).startswith("Bit-identical: the tensors of 3 recorded evaluations")


@pytest.mark.every
def test_a_run_of_another_model_offers_to_work_with_that_one(files, open_page):
    run = "".join(files.query_params["run"])
    load_into_pages(FLOW)
    try:
        page = opened(
            opened(open_page("run", id=run, **{"run.tab": "Files"}), "run.script"), "run.same"
        )
        offers = {"run.script.use_model", "run.rerun.use_model"}
        assert offers <= {button.key for button in page.button}
        page.button(key="run.script.use_model").click().run()
        assert not offers & {button.key for button in page.button} and not page.exception
    finally:
        load_into_pages(EMBEDDED)
