"""What the Models page and the forms show to visitors of a server that offers some models."""

import pytest

from dashboard.serving import VARIABLE, serving
from dashboard.shell.lab import lab
from sdlab.experiment.experiment import Experiment
from sdlab.shipped import FOLDER
from tests.dashboard.conftest import read, run_until, server_over
from tests.dashboard.forms import errors, titles


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server that others reach, with a list of one folder beside what comes with sdlab."""
    folder = tmp_path_factory.mktemp("served")
    settings = folder / "sdlab.toml"
    settings.write_text(f'[[models]]\nsource = "{FOLDER}"\ndtype = "float32"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(settings))
        patch.setattr("dashboard.shell.model_asker.listens_here", lambda: False)
        serving.cache_clear()
        with server_over(folder / "runs"):
            yield str(FOLDER)
    serving.cache_clear()


@pytest.fixture
def opened(served, runs_folder, open_page):
    return open_page


def test_visitors_choose_from_the_list_and_load_nothing_else(opened, served):
    at = run_until(opened("models"), lambda a: len(a.header) == 2)
    assert titles(at) == ["Models"] and not at.exception
    assert not [t for t in at.text_input if t.key == "models.source"]
    assert [h.value for h in at.header] == ["In memory", "Offered by this server"]
    next(b for b in at.button if b.label == "Load embedded").click().run()
    run_until(at, lambda a: any(t.value == served for t in a.text))
    form = opened("experiment")
    menu = form.selectbox(key="experiment.model")
    assert menu.value == "embedded", "what others chose changes nothing here"
    assert menu.options == ["embedded", "embedded-flow", served]
    assert not errors(at) and not errors(form)


def test_a_link_with_another_model_gets_a_sentence(opened):
    form = opened("experiment", **{"experiment.model": "/etc/passwd"})
    assert form.selectbox(key="experiment.model").value == "embedded"
    assert any("/etc/passwd" in read(w) for w in form.warning)
    run = lab().submit(Experiment(prompt="x", model="/etc/passwd"))  # whoever runs the server
    page = run_until(opened("run", id=run), lambda a: any(b.key == "run.again" for b in a.button))
    assert any("does not offer that model" in read(w) for w in page.warning)
    next(b for b in page.button if b.key == "run.again").click().run()
    run_until(page, lambda a: any("does not offer that model" in e for e in errors(a)))
