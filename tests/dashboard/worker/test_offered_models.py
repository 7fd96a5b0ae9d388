"""Who may have which model, and what is told of those that somebody may not have."""

import pytest

from dashboard.shell.messages import sentence
from dashboard.worker.model_rules import ModelRules
from dashboard.worker.snapshots import Asker, ModelRequest
from dashboard.worker.worker import Worker
from sdlab.errors import ModelError
from tests.dashboard.conftest import again
from tests.dashboard.worker.waiting import LONG, SHORT, ended, running, until

LISTED = ModelRequest("/models/sd15", dtype="float16", variant="fp16")


@pytest.fixture
def visitor():
    """Who asks; a test changes it."""
    return {"is": Asker(anything=False)}


@pytest.fixture
def asked():
    """How models were loaded."""
    return []


@pytest.fixture
def server(make_worker, model, visitor, asked):
    def load(source=None, *, on_progress, **options):
        asked.append((source, options))
        return again(model, source)

    return make_worker(load, models=ModelRules(offered=(LISTED,), asker=lambda: visitor["is"]))


@pytest.fixture
def asleep(tmp_path):
    """A worker that looks at the disk as the real one does, though its thread sleeps."""
    worker = Worker(
        tmp_path / "runs",
        sentence,
        after_page=True,
        models=ModelRules(offered=(LISTED,), asker=lambda: Asker(anything=False)),
    )
    yield worker
    worker._scheduler.life.stopping = True
    worker.stop()


def test_of_what_is_not_offered_all_is_told_alike(asleep, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    (tmp_path / "weights.ckpt").write_bytes(b"pickled")
    (tmp_path / "locked").mkdir(mode=0)
    places = [
        "weights.safetensors",
        "weights.ckpt",
        "weight.safetensors",
        "locked",
        "locked/in",
        "",
    ]
    said = set()
    for name in [*(str(tmp_path / place) for place in places), "/etc/shadow", "a/model", "~", "x"]:
        with pytest.raises(ModelError) as told:
            asleep.models.load(ModelRequest(name, token="hf_x"))
        run = asleep.get(asleep.submit(SHORT.with_(model=name)))
        assert run.state == "failed"
        assert asleep.models.refusal(name) and asleep.models.in_place_of(name) == ()
        said |= {str(told.value), run.error, asleep.models.refusal(name)}
    assert len(said) == 1
    assert (
        "does not offer that model. It offers embedded, embedded-flow, /models/sd15." in said.pop()
    )
    view = asleep.status()
    assert (view.queued, view.load_error) == (0, "")
    assert view.known == ("embedded", "embedded-flow", "/models/sd15")


def test_what_is_offered_is_loaded_as_it_is_offered(server, asked):
    assert server.models.load(ModelRequest("/models/sd15", dtype="float32", token="hf_x"))
    until(lambda: len(server.status().held) == 1 and "/models/sd15" in server.status().held[0].name)
    assert asked[-1] == ("/models/sd15", {"dtype": "float16", "variant": "fp16"})
    assert ended(server, server.submit(SHORT.with_(model="/models/sd15"))).state == "done"


def test_who_may_have_anything_has_it_and_what_is_offered_stays_as_it_is(server, asked, visitor):
    visitor["is"] = Asker()
    assert server.models.load(ModelRequest("mine"))
    until(lambda: server.status().model and server.status().model.name == "mine")
    assert "mine" in server.status().known
    server.models.load(ModelRequest("/models/sd15", dtype="float32"))
    until(lambda: server.status().at_hand == "/models/sd15" and not server.status().loading)
    assert asked[-1] == ("/models/sd15", {"dtype": "float16", "variant": "fp16"})


def test_one_persons_choice_changes_nobody_elses_model(server, visitor):
    server.models.before.note(LISTED, until(lambda: server.status().model))  # so that both fit
    server.models.load(ModelRequest("/models/sd15"))
    until(lambda: server._held.named("/models/sd15"))
    assert server.status().model.name == server.status().at_hand == "embedded"
    visitor["is"] = Asker("/models/sd15", anything=False)
    assert server.status().model.name == server.status().at_hand == "/models/sd15"
    assert server.ask(lambda model: model.name) == "/models/sd15"
    visitor["is"] = Asker("mine", anything=False)  # by whatever way it was chosen
    assert server.status().model.name == server.status().at_hand == "embedded"


def test_of_an_operators_own_model_others_learn_nothing(server, visitor):
    visitor["is"] = Asker()
    server.models.load(ModelRequest("/home/anna/secret"))
    until(lambda: server.status().model and server.status().model.name == "/home/anna/secret")
    run = server.submit(LONG.with_(model="/home/anna/secret"))
    running(server, run)
    server.models.load(ModelRequest("/home/anna/other"))
    assert server.status().loading == "/home/anna/other"
    server._held.load_error = "There is no '/home/anna/x'. Did you mean '/home/anna/secret'?"
    server._held.failed = "/home/anna/x"
    visitor["is"] = Asker(anything=False)
    view = server.status()
    assert "anna" not in repr(view)
    assert view.loading == "another model"
    assert view.load_error.startswith("Another model could not be loaded. Whoever runs this")
    server._held.failed = "embedded-flow"
    assert server.status().load_error.startswith("embedded-flow could not be loaded.")
    visitor["is"] = Asker()
    assert "anna" in server.status().load_error
    server.cancel(run, "nobody")


def test_why_an_offered_model_fails_is_told_to_its_operator_alone(make_worker, model, caplog):
    def load(source=None, **options):
        if source:
            raise ModelError("/models/sd15 lacks unet/config.json; did you mean unet/konfig.json?")
        return again(model, source)

    worker = make_worker(load, models=ModelRules(offered=(LISTED,)))
    failed = ended(worker, worker.submit(SHORT.with_(model="/models/sd15")))
    assert failed.error == (
        "/models/sd15 could not be loaded. Whoever runs this server finds the reason on its Models"
        " page."
    )
    assert "konfig" in worker.status().load_error and "konfig" in caplog.text
