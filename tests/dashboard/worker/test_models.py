"""The worker holds models as they fit, and says what it cannot load."""

import gc
import logging
import threading
import types
import weakref
from itertools import pairwise

import pytest

from dashboard.shell.messages import sentence
from dashboard.worker.model_room import ModelRoom
from dashboard.worker.model_rules import ModelRules
from dashboard.worker.snapshots import ModelRequest
from dashboard.worker.task import once
from dashboard.worker.worker import Worker
from sdlab.errors import MemoryLimitError, ModelError
from sdlab.sampling.engine import Engine
from tests.dashboard.conftest import again
from tests.dashboard.worker.waiting import LONG, SHORT, ended, running, until


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "has no 'nonsense'"),
        ("/no/such/folder", "'/' has no 'no'"),
        ("model.ckpt", "safetensors"),
        pytest.param("a" * 300, "at most 255 bytes a name", id="long name"),
        pytest.param("b/" * 3000, "4095 in all", id="long path"),
        ("https://x.org/model", "source is a URL"),
    ],
)
def test_what_cannot_be_loaded_does_not_wait_in_the_queue(tmp_path, name, message):
    worker = Worker(tmp_path, sentence, after_page=True)  # its thread sleeps
    try:
        assert not worker.models.load(ModelRequest(name))
        assert message in worker.status().load_error
        view = worker.get(worker.submit(SHORT.with_(model=name)))
        assert view.state == "failed" and message in view.error
        assert worker.status().queued == 0 and worker.status().at_hand == "embedded"
        assert worker.models.load(ModelRequest("embedded"))
    finally:
        worker._scheduler.life.stopping = True  # before it is awake and loads anything
        worker.stop()


def test_a_refusal_outlives_the_load_in_progress(tmp_path, model):
    from sdlab.models.model import Model

    begun, go_on = threading.Event(), threading.Event()

    def load(source=None, **options):
        begun.set()
        go_on.wait(60)
        return Model(model.pipeline, source or "embedded")

    worker = Worker(tmp_path, sentence, load=load)
    try:
        begun.wait(60)
        worker._held.trouble = lambda request: "nonsense could not be loaded"
        assert not worker.models.load(ModelRequest("nonsense"))
        go_on.set()
        until(lambda: worker.status().model and not worker.status().loading)
        assert worker.status().load_error == "nonsense could not be loaded"
    finally:
        go_on.set()
        worker.stop()


def test_where_there_is_room_for_one_there_are_never_two(make_worker, model):
    made = []

    def load(source=None, **options):
        gc.collect()
        assert not [ref for ref in made if ref() is not None], "the old model is still there"
        fresh = again(model, source)
        made.append(weakref.ref(fresh))
        return fresh

    worker = make_worker(load, models=ModelRules(ModelRoom(models=1)))
    for seed, name in enumerate(("embedded", "b", "embedded", "b")):
        run = worker.submit(SHORT.with_(model=name, seed=seed))
        assert ended(worker, run).state == "done", worker.status()
    assert len(made) == 4
    assert worker.status().model.name == "b"


@pytest.mark.every
def test_a_model_that_fails_is_explained_and_the_embedded_one_is_back(make_worker, model):
    def load(source=None, **options):
        if source == "bad":
            raise ModelError("bad is no pipeline: model_index.json is missing.")
        return again(model)

    worker = make_worker(load)
    worker.models.load(ModelRequest("bad"))
    until(lambda: worker.status().load_error)
    assert "The model could not be loaded: bad is no pipeline" in worker.status().load_error
    until(lambda: worker.status().model)
    assert worker.status().model.name == "embedded"
    failed = ended(worker, worker.submit(SHORT.with_(model="bad")))
    assert failed.state == "failed" and "no pipeline" in failed.error
    assert ended(worker, worker.submit(SHORT)).state == "done"


def test_a_model_that_fails_leaves_the_one_before_in_hand(make_worker, model):
    def load(source=None, **options):
        if source == "bad":
            raise ModelError("bad is no pipeline: model_index.json is missing.")
        return again(model, source)

    worker = make_worker(load)
    worker.models.load(ModelRequest("mine"))
    until(lambda: worker._held.named("mine"))
    worker.models.load(ModelRequest("bad"))
    until(lambda: worker.status().load_error)
    until(lambda: worker.status().model and not worker.status().loading)
    assert worker.status().model.name == worker.status().at_hand == "mine"
    assert "could not be loaded: " in worker.status().load_error


def test_an_import_that_another_thread_was_in_the_midst_of_is_tried_again(make_worker, model):
    tried = []

    def load(source=None, **options):
        tried.append(source)
        if len(tried) == 1:
            raise ImportError("cannot import name 'x' from partially initialized module 'y'")
        return again(model, source)

    worker = make_worker(load)
    assert ended(worker, worker.submit(SHORT)).state == "done"
    assert len(tried) == 2 and not worker.status().load_error


def test_a_package_that_is_not_there_is_not_tried_again(make_worker, model):
    tried = []

    def load(source=None, **options):
        if source == "needs a package":
            tried.append(source)
            raise ModuleNotFoundError("No module named 'compel'", name="compel")
        return again(model, source)

    worker = make_worker(load)
    worker.models.load(ModelRequest("needs a package"))
    until(lambda: worker.status().load_error)
    assert tried == ["needs a package"]


def test_the_model_at_hand_is_the_one_that_a_run_asked_for_now_will_find(make_worker):
    worker = make_worker()
    assert worker.status().at_hand == "embedded"  # before anything is loaded too
    run = worker.submit(LONG)
    running(worker, run)
    worker.models.load(ModelRequest("next"))
    view = worker.status()
    assert (view.model.name, view.at_hand) == ("embedded", "next")
    later = worker.submit(SHORT.with_(model=view.at_hand))
    worker.cancel(run, "nobody")
    assert ended(worker, later).state == "done"
    assert worker.status().model.name == worker.status().at_hand == "next"


def reachable(start):
    """Every object that can be reached from some, modules, classes and functions' globals apart."""
    seen, left = {}, list(start)
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, (type, types.ModuleType)):
            continue
        seen[id(one)] = one
        if isinstance(one, types.FunctionType):
            left += [one.__closure__, one.__defaults__, one.__kwdefaults__]
        else:
            left += gc.get_referents(one)
    return seen.values()


def test_a_token_is_used_once_and_then_nowhere(make_worker, model, tmp_path, caplog):
    secret, given = "hf_secretsecretsecret", []

    def load(source=None, *, token=None, **options):
        given.append((source, token == "hf_secretsecretsecret"))  # no closure to be found
        if source == "gated/broken":
            raise ModelError("no weights")
        return again(model, source)

    caplog.set_level(logging.DEBUG)
    worker = make_worker(load, models=ModelRules(ModelRoom(models=1)))
    assert secret not in repr(ModelRequest("gated/model", token=secret))
    for name in ("gated/model", "gated/broken"):
        worker.models.load(ModelRequest(name, token=secret))
        until(lambda name=name: (name, True) in given)
        until(lambda: worker.status().model and not worker.status().loading)
    for name in ("embedded", "gated/model"):
        run = worker.submit(SHORT.with_(model=name))
        assert ended(worker, run).state == "done"
    assert given[-1] == ("gated/model", False)
    assert sum(used for _, used in given) == 2
    assert not [one for one in reachable([worker]) if isinstance(one, str) and secret in one]
    worker.stop()  # which may still write frames
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files and not [p for p in files if secret.encode() in p.read_bytes()]
    assert secret not in caplog.text


def test_other_weights_under_the_same_name_are_not_served_old_pictures(make_worker, monkeypatch):
    worker = make_worker()
    run = worker.submit(SHORT)
    assert ended(worker, run).state == "done"
    before = (worker.runs / run / "manifest.json").read_text()
    (worker.runs / run / "manifest.json").write_text(
        before.replace(worker.status().model.hash, "0" * 16)
    )
    worker.submit(SHORT)
    assert ended(worker, run).state == "done"
    assert '"0000000000000000"' not in (worker.runs / run / "manifest.json").read_text()


def staged(model, at, arrived, go_on):
    """A ``sdlab.load`` that waits at a stage of every model but the embedded one."""
    from sdlab.models.loading_stages import Stage

    def load(source=None, *, on_progress, **options):
        if source is not None:
            on_progress(Stage("reading", "unet", 3, 10))
            arrived.set()
            assert go_on.wait(240)
            on_progress(Stage("moving", at))
        return again(model, source)

    return load


def test_a_cancelled_load_leaves_the_model_before_in_use(make_worker, model):
    arrived, go_on = threading.Event(), threading.Event()
    worker = make_worker(staged(model, "cpu", arrived, go_on))
    until(lambda: worker.status().model)
    worker.models.load(ModelRequest("large"))
    assert arrived.wait(240)
    view = worker.status()
    assert view.loading == "large" and view.stage == ("reading", "unet", 3, 10)
    worker.models.cancel_load()
    go_on.set()
    until(lambda: worker.status().load_cancelled and not worker.status().loading)
    view = worker.status()
    assert view.model.name == "embedded" and view.stage is None
    assert view.load_error == "Loading large was cancelled."
    assert ended(worker, worker.submit(SHORT)).state == "done"


@pytest.mark.parametrize("models", [pytest.param(1, marks=pytest.mark.every), 2])
def test_two_models_take_turns_and_each_is_loaded_once(make_worker, models):
    """Twelve runs that alternate loaded eleven times when none could overtake another."""
    import sdlab

    loaded = []

    def load(source=None, **options):
        loaded.append(source or "embedded")
        return sdlab.load(source, **options)

    worker = make_worker(load, models=ModelRules(ModelRoom(models=models)))
    run = worker.submit(LONG)
    running(worker, run)
    names = ("embedded", "embedded-flow") * 6
    asked = [SHORT.with_(model=m, seed=i, num_steps=1) for i, m in enumerate(names)]
    runs = [worker.submit(one, frames=False) for one in asked]
    worker.cancel(run, "nobody")
    assert [ended(worker, run).state for run in runs] == ["done"] * 12
    assert loaded == ["embedded", "embedded-flow"]
    held = {view.name: view.hash for view in worker.status().held}
    assert list(held) == ["embedded-flow", "embedded"][:models]
    for name, model_hash in held.items():
        assert worker.ask(lambda model: model.name, model_hash) == name
        worker.study(name, once(lambda model: model.name), model_hash, "me")
        assert until(lambda name=name: worker.get(name).result) == name


def test_no_model_goes_while_a_run_or_a_study_is_on_it(make_worker, model):
    worker = make_worker(models=ModelRules(ModelRoom(models=1)))
    until(lambda: worker.status().model)
    go_on = threading.Event()

    def study(model):
        while not go_on.is_set():
            yield 1, 2
        return "done"

    run = worker.submit(LONG)
    running(worker, run)
    worker.study("long", study, worker.status().model.hash, "me")
    other = worker.submit(SHORT.with_(model="b"))
    worker.cancel(run, "nobody")
    ended(worker, run)
    assert worker.get(other).state == "queued" and worker.get("long").live
    go_on.set()
    assert ended(worker, other).state == "done"
    assert worker.get("long").result == "done"


def test_a_run_that_needs_room_gets_that_of_a_model_that_nobody_uses(make_worker, monkeypatch):
    worker = make_worker()
    worker.models.before.note(ModelRequest("b"), until(lambda: worker.status().model))
    assert ended(worker, worker.submit(SHORT.with_(model="b"))).state == "done"
    assert {held.name for held in worker.status().held} == {"embedded", "b"}
    full = Engine.submit

    def tight(self, experiment, **options):
        if len(worker.status().held) > 1:
            raise MemoryLimitError("there is no room")
        return full(self, experiment, **options)

    monkeypatch.setattr(Engine, "submit", tight)
    assert ended(worker, worker.submit(SHORT.with_(seed=5))).state == "done"
    assert [held.name for held in worker.status().held] == ["embedded"]


def test_a_model_whose_files_changed_is_loaded_again(make_worker, model, tmp_path):
    folder, loaded = tmp_path / "model", []
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(b"first")

    def load(source=None, **options):
        loaded.append(source)
        return again(model, source)

    worker = make_worker(load)
    for text, times in ((b"first", 1), (b"first", 1), (b"second one", 2)):
        (folder / "a.safetensors").write_bytes(text) if text != b"first" else None
        worker.models.load(ModelRequest(str(folder)))
        until(lambda: worker.status().at_hand == str(folder) and not worker.status().loading)
        assert loaded.count(str(folder)) == times


def test_a_load_that_waits_is_cancelled_without_a_trace(make_worker):
    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    worker.models.load(ModelRequest("next"))
    worker.models.cancel_load()
    view = worker.status()
    assert view.loading == "" and view.at_hand == "embedded" and not view.load_error
    worker.cancel(run, "nobody")
    assert ended(worker, worker.submit(SHORT)).state == "done"


def test_of_the_models_that_one_person_waits_for_the_latest_is_loaded(make_worker):
    worker = make_worker(after_page=True)  # its thread sleeps
    for who, name in (("a", "b"), ("other", "c"), ("a", "d")):
        assert worker.models.load(ModelRequest(name), session=who)
    assert worker._queue.models() == ["c", "d"]
    assert worker.status().at_hand == "d" and worker.status().loading == "c"
    worker.wake()
    until(lambda: worker._held.named("d") and not worker.status().loading)
    assert "b" not in worker._held.requests


def fit_beside(worker, *names):
    """Let it be known that models of these names fit beside the one in memory."""
    view = until(lambda: worker.status().model)
    for name in names:
        worker.models.before.note(ModelRequest(name), view)


def ask(worker, kind, name, person):
    """Ask for a model, or for a run of it."""
    if kind == "models":
        worker.models.load(ModelRequest(name), session=person)
    else:
        worker.submit(SHORT.with_(model=name, prompt=person), session=person)


def test_who_asks_for_one_model_after_another_stops_nobody(make_worker, model):
    """Two models share the second place: as one comes, somebody else asks for the other."""
    done, pieces = [], []

    def load(source=None, **options):
        if source in ("b", "c") and len(done) < 8:
            done.append(len(pieces))
            ask(worker, "models", "b" if source == "c" else "c", f"visitor {len(done)}")
        return again(model, source)

    worker = make_worker(load)
    fit_beside(worker, "b", "c")
    run = worker.submit(LONG, session="me")
    running(worker, run)
    serve = worker._flight.round
    worker._flight.round = lambda: pieces.append(serve()) or pieces[-1]
    ask(worker, "models", "b", "visitor")
    until(lambda: len(done) == 8)
    assert all(before < after for before, after in pairwise(done))
    worker.cancel(run, "me")


@pytest.mark.parametrize("kind", ["models", "runs"])
def test_a_model_is_loaded_when_it_is_the_turn_of_who_asks(make_worker, model, kind):
    states = []

    def load(source=None, **options):
        states.append(worker.get(run).state if source == "b" else "")
        return again(model, source)

    worker = make_worker(load)
    fit_beside(worker, "b")
    worker._flight.shares.people.spend("visitor", 10_000.0)  # so much was loaded for them
    run = worker.submit(SHORT.with_(num_steps=100), session="me")
    running(worker, run)
    ask(worker, kind, "b", "visitor")
    until(lambda: worker._held.named("b"))
    assert states == ["", "done"]


@pytest.mark.parametrize("kind", ["models", "runs"])
@pytest.mark.parametrize("fails", [False, True])
def test_who_has_a_model_loaded_pays_for_it(make_worker, model, monkeypatch, kind, fails):
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("dashboard.worker.model_loader.time", clock)

    def load(source=None, **options):
        if source == "b":
            now[0] += 600.0
            if fails:
                raise ModelError("It is none.")
        return again(model, source)

    worker = make_worker(load)
    until(lambda: worker.status().model)
    ask(worker, kind, "b", "visitor")
    begin = worker._flight.shares.people.begin
    until(lambda: now[0] and not worker.status().loading and not worker.status().queued)
    until(lambda: begin("visitor") > begin("a stranger") + 500)
