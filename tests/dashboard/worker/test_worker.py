"""The worker with the real embedded model, without Streamlit."""

import gc
import threading
import time
import weakref

import pytest

import sdlab
from dashboard.shell.messages import sentence
from dashboard.worker.snapshots import ModelRequest
from dashboard.worker.task import Priority
from dashboard.worker.tasks import KEPT
from dashboard.worker.worker import Worker
from sdlab.errors import ModelError, StoreError
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.runs.run import Run
from tests.dashboard.conftest import again

SHORT = Experiment(prompt="a cat", seed=1, num_steps=2)
LONG = Experiment(prompt="a cat", seed=2, num_steps=900)


@pytest.fixture(scope="module")
def model():
    return sdlab.load()


@pytest.fixture
def make_worker(model, tmp_path):
    workers = []

    def made(load=None, **options):
        given = load or (lambda source=None, **kwargs: again(model, source))
        workers.append(Worker(tmp_path, sentence, load=given, **options))
        return workers[-1]

    yield made
    for worker in workers:
        worker.stop()


def until(met, seconds=240):
    end = time.monotonic() + seconds
    while not (value := met()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return value


def ended(worker, run):
    return until(lambda: (v := worker.get(run)) and not v.live and v)


def running(worker, run):
    return until(lambda: (v := worker.get(run)) and v.done > 0 and v)


def test_a_run_is_made_stored_and_not_made_twice(make_worker, tmp_path):
    worker = make_worker()
    run = worker.submit(SHORT)
    assert run == SHORT.id
    assert ended(worker, run).state == "done"
    stored = sdlab.open_run(tmp_path / run)
    assert stored.experiment == SHORT
    created = stored.manifest["created"]
    assert worker.submit(SHORT) == run
    until(lambda: worker.get(run) is None or not worker.get(run).live)
    assert sdlab.open_run(tmp_path / run).manifest["created"] == created


def test_a_snapshot_never_changes(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    first = worker.get(run)
    ended(worker, run)
    assert first.state == "queued" and worker.get(run).state == "done"
    with pytest.raises(AttributeError):
        first.state = "done"


def test_duplicates_join(make_worker):
    worker = make_worker()
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(worker.submit(LONG))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running(worker, runs[0])
    assert set(runs) == {LONG.id}
    assert worker.status().running == 1 and worker.status().queued == 0


def test_cancel_by_one_of_two_leaves_by_the_last_ends(make_worker):
    worker = make_worker()
    run = worker.submit(LONG)
    worker.touch(run, "me")
    worker.touch(run, "you")
    running(worker, run)
    assert worker.get(run).shared == 2
    assert worker.cancel(run, "me") == "left"
    assert worker.get(run).live
    assert worker.cancel(run, "you") == "cancelled"
    view = ended(worker, run)
    assert view.state == "cancelled" and 0 < view.done < 900
    assert worker.cancel(run, "you") == "ended"


def test_a_session_whose_browser_is_gone_does_not_block_cancel(make_worker):
    worker = make_worker(connected=lambda session: session != "before the reload")
    run = worker.submit(LONG)
    worker.touch(run, "before the reload")
    worker.touch(run, "after it")
    assert worker.cancel(run, "after it") == "cancelled"


def test_cancel_while_it_waits(make_worker, model):
    opened = threading.Event()

    def load(source=None, **options):
        opened.wait(30)
        return again(model)

    worker = make_worker(load)
    first, second = worker.submit(LONG), worker.submit(SHORT)
    assert [worker.get(r).position for r in (first, second)] == [1, 2]
    assert worker.cancel(first, "me") == "cancelled"
    opened.set()
    assert ended(worker, first).done == 0
    assert ended(worker, second).state == "done"


def test_what_is_invalid_fails_alone(make_worker):
    worker = make_worker()
    good, bad = worker.submit(SHORT), worker.submit(SHORT.with_(solver="huen"))
    view = ended(worker, bad)
    assert view.state == "failed" and "Did you mean 'heun'" in view.error
    assert ended(worker, good).state == "done"


def test_preview_only_for_who_watches(make_worker):
    worker = make_worker()
    watched, alone = worker.submit(LONG), worker.submit(LONG.with_(seed=3))
    worker.touch(watched, "me")
    view = until(lambda: (v := worker.get(watched)).preview and v)
    assert view.preview.startswith(b"\x89PNG")
    assert worker.get(alone).preview is None
    assert view.rate > 0 and view.seconds_left > 0


def test_a_full_disk_fails_that_run_and_loses_nothing(make_worker, monkeypatch, tmp_path):
    save, full = Run.save, {SHORT.id}

    def saving(run, folder):
        if run.id in full:
            raise StoreError("No space left on the disk: 0 bytes free.")
        return save(run, folder)

    monkeypatch.setattr(Run, "save", saving)
    worker = make_worker()
    run, other = worker.submit(SHORT), worker.submit(SHORT.with_(seed=9))
    view = ended(worker, run)
    assert view.state == "failed" and view.unsaved and view.preview
    assert "could not be saved" in view.error and "No space left" in view.error
    assert ended(worker, other).state == "done"
    assert not (tmp_path / run).exists()
    full.clear()
    worker.save_again(run)
    until(lambda: worker.get(run).state == "done")
    assert sdlab.open_run(tmp_path / run).experiment == SHORT


def test_out_of_memory_says_what_to_lower_and_the_next_runs(make_worker, monkeypatch):
    import torch

    from sdlab.sampling import engine

    evaluate = engine.evaluate

    def evaluating(model, samples):
        if any(s.x_t.shape[-1] == 24 for s in samples):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return evaluate(model, samples)

    monkeypatch.setattr(engine, "evaluate", evaluating)
    worker = make_worker()
    large, small = worker.submit(SHORT.with_(width=192, height=192)), worker.submit(SHORT)
    view = ended(worker, large)
    assert view.state == "failed" and "Lower width or height" in view.error
    assert ended(worker, small).state == "done"


def test_a_defect_in_a_round_does_not_end_the_worker(make_worker, monkeypatch):
    from sdlab.sampling.engine import Engine

    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    monkeypatch.setattr(Engine, "round", lambda self: 1 / 0)
    assert "ZeroDivisionError" in ended(worker, run).error
    monkeypatch.undo()
    assert ended(worker, worker.submit(SHORT)).state == "done"


def test_a_preview_that_fails_costs_only_the_preview(make_worker, monkeypatch):
    def full(latents):
        raise RuntimeError("CUDA error: out of memory")

    worker = make_worker()
    until(lambda: worker.status().model)
    monkeypatch.setattr(worker._held, "picture", full)
    run = worker.submit(Experiment(prompt="a cat", seed=21, num_steps=12))
    worker.touch(run, "one")
    assert ended(worker, run).state == "done"
    assert not worker.status().stopped


def test_a_defect_anywhere_ends_the_runs_in_flight_not_the_worker(make_worker, monkeypatch):
    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    with monkeypatch.context() as patch:
        patch.setattr(worker._scheduler, "_admit", lambda: 1 / 0)
        assert ended(worker, run).state == "failed"
    other = worker.submit(Experiment(prompt="a cat", seed=22, num_steps=2))
    assert ended(worker, other).state == "done"


@pytest.mark.parametrize("error", [OSError("disk gone"), SystemExit(3), KeyboardInterrupt()])
def test_a_run_whose_start_fails_has_failed_and_the_next_runs(make_worker, monkeypatch, error):
    def fails(runs, run):
        if threading.current_thread() is worker._scheduler.thread:
            raise error
        return None

    worker = make_worker()
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.worker.runs_in_flight.stored_hash", fails)
        run = worker.submit(SHORT)
        view = ended(worker, run)
        assert view.state == "failed" and type(error).__name__ in view.error
        assert worker.cancel(run, "me") == "ended"
    assert ended(worker, worker.submit(SHORT)).state == "done"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_would_end_a_program_does_not_end_the_worker(make_worker, monkeypatch, error):
    def fails(*args):
        raise error

    worker = make_worker()
    run = worker.submit(LONG)
    running(worker, run)
    with monkeypatch.context() as patch:
        patch.setattr(worker._tasks, "step", fails)
        assert ended(worker, run).state == "failed"
    assert ended(worker, worker.submit(SHORT)).state == "done"
    assert not worker.status().stopped


def test_a_sampler_that_quits_ends_its_own_run_only(make_worker, monkeypatch):
    from itertools import pairwise

    from sdlab.solvers import registry

    monkeypatch.setattr(registry, "_SOLVERS", dict(registry.solvers()))
    armed = threading.Event()

    @sdlab.solver("quitter")
    def quitter(x, sigmas, noise):
        for sigma, sigma_next in pairwise(sigmas):
            x0_pred = yield x, sigma
            if armed.is_set():
                raise SystemExit(3)
            x = x0_pred + (x - x0_pred) * sigma_next / sigma
        return x

    worker = make_worker()
    other, run = worker.submit(LONG), worker.submit(LONG.with_(solver="quitter"))
    running(worker, other)
    running(worker, run)
    armed.set()
    view = ended(worker, run)
    assert view.state == "failed" and "quitter asked the program to end" in view.error
    before = worker.get(other).done
    until(lambda: worker.get(other).done > before + 1)
    assert worker.get(other).state == "running"


def test_what_is_asked_of_an_ended_worker_has_failed(make_worker):
    worker = make_worker()
    worker.stop()
    view = worker.get(worker.submit(SHORT))
    assert view.state == "failed" and "restart the server" in view.error
    assert not worker.load(ModelRequest("embedded"))
    assert worker.status().stopped and worker.status().queued == 0


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
        assert not worker.load(ModelRequest(name))
        assert message in worker.status().load_error
        view = worker.get(worker.submit(SHORT.with_(model=name)))
        assert view.state == "failed" and message in view.error
        assert worker.status().queued == 0 and worker.status().at_hand == "embedded"
        assert worker.load(ModelRequest("embedded"))
    finally:
        worker._scheduler._stopping = True  # before it is awake and loads anything
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
        assert not worker.load(ModelRequest("nonsense"))
        go_on.set()
        until(lambda: worker.status().model and not worker.status().loading)
        assert worker.status().load_error == "nonsense could not be loaded"
    finally:
        go_on.set()
        worker.stop()


def test_a_picture_that_could_not_be_saved_is_not_thrown_away(make_worker, monkeypatch):
    def full(run, folder):
        raise StoreError("No space left on device")

    worker = make_worker()
    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", full)
        run = worker.submit(SHORT)
        assert ended(worker, run).unsaved
        assert worker.submit(SHORT) == run
        assert worker.get(run).unsaved
    worker.save_again(run)
    until(lambda: worker.get(run).state == "done")


def test_never_two_models_in_memory(make_worker, model):
    made = []

    def load(source=None, **options):
        gc.collect()
        assert not [ref for ref in made if ref() is not None], "the old model is still there"
        fresh = again(model, source)
        made.append(weakref.ref(fresh))
        return fresh

    worker = make_worker(load)
    names = ("embedded", "b", "embedded", "b")
    runs = [worker.submit(SHORT.with_(model=m, seed=i)) for i, m in enumerate(names)]
    assert [ended(worker, run).state for run in runs] == ["done"] * 4, worker.status()
    assert len(made) == 4
    assert worker.status().model.name == "b"


def test_a_model_that_fails_is_explained_and_the_embedded_one_is_back(make_worker, model):
    def load(source=None, **options):
        if source == "bad":
            raise ModelError("bad is no pipeline: model_index.json is missing.")
        return again(model)

    worker = make_worker(load)
    worker.load(ModelRequest("bad"))
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
    worker.load(ModelRequest("mine"))
    worker.load(ModelRequest("bad"))
    until(lambda: worker.status().load_error)
    until(lambda: worker.status().model and not worker.status().loading)
    assert worker.status().model.name == worker.status().at_hand == "mine"
    assert "could not be loaded: " in worker.status().load_error


def test_the_model_at_hand_is_the_one_that_a_run_asked_for_now_will_find(make_worker):
    worker = make_worker()
    assert worker.status().at_hand == "embedded"  # before anything is loaded too
    run = worker.submit(LONG)
    running(worker, run)
    worker.load(ModelRequest("next"))
    view = worker.status()
    assert (view.model.name, view.at_hand) == ("embedded", "next")
    later = worker.submit(SHORT.with_(model=view.at_hand))
    worker.cancel(run, "nobody")
    assert ended(worker, later).state == "done"
    assert worker.status().model.name == worker.status().at_hand == "next"


def test_a_token_is_in_no_view_and_on_no_disk(make_worker, tmp_path):
    worker = make_worker()
    request = ModelRequest("gated/model", token="hf_secret")
    assert "hf_secret" not in repr(request)
    worker.load(request)
    until(lambda: worker.status().model and worker.status().model.name == "gated/model")
    assert ended(worker, worker.submit(SHORT.with_(model="gated/model"))).state == "done"
    assert "hf_secret" not in repr(worker.status())
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files and not [p for p in files if b"hf_secret" in p.read_bytes()]


def test_what_a_stop_interrupts_is_known_to_the_next_server(make_worker):
    first = make_worker()
    run = first.submit(LONG)
    running(first, run)
    first.stop()
    assert first.get(run).state == "interrupted" and first.status().stopped
    second = make_worker()
    assert second.get(run).state == "interrupted"
    assert second.get(run).experiment == LONG
    second.dismiss(run)
    assert second.get(run) is None and make_worker().get(run) is None


def test_an_interrupted_run_can_be_run_again(make_worker):
    first = make_worker()
    run = first.submit(LONG)
    first.stop()
    second = make_worker()
    assert second.submit(LONG) == run
    running(second, run)
    second.cancel(run, "me")
    assert ended(second, run).state == "cancelled"
    assert make_worker().get(run) is None


def test_frames_come_after_the_picture_and_on_demand(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: not worker.paints(run))
    sheet = worker.sheet(run)
    assert sheet.kept == (0, 1) and sheet.size == (128, 128)
    again = make_worker()
    (again.runs / ".dashboard" / "frames" / f"{run}.webp").unlink()
    again.want_frames(run)
    until(lambda: again.sheet(run) is not None)


def test_a_run_without_tensors_still_ends_well(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT.with_(record=Record(tensors=())))
    assert ended(worker, run).state == "done"
    until(lambda: not worker.paints(run))


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


def test_frames_wait_until_somebody_looks(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT, frames=False)
    ended(worker, run)
    assert not worker.paints(run) and worker.sheet(run) is None
    worker.want_frames(run)
    until(lambda: worker.sheet(run))


def test_what_failed_is_remembered_longer_than_what_is_stored(make_worker, monkeypatch):
    monkeypatch.setitem(KEPT, Priority.RUN, 2)
    worker = make_worker()
    failed = worker.submit(SHORT.with_(eta=0.5, solver="heun"))
    assert ended(worker, failed).state == "failed"
    for seed in range(3):
        ended(worker, worker.submit(SHORT.with_(seed=seed, num_steps=1)))
    assert worker.get(failed).state == "failed"


def test_the_pace_of_late_is_known_once_something_ran(make_worker):
    worker = make_worker()
    assert worker.status().pace is None
    ended(worker, worker.submit(SHORT))
    assert 0 < worker.status().pace < 60


def test_a_crowd_is_sketched_and_a_few_are_decoded(make_worker, monkeypatch):
    import torch

    worker = make_worker()
    until(lambda: worker.status().model)
    held, drawn = worker._held, []
    held.decode_seconds = 0.05

    def noted(name):
        real = getattr(held, name)
        return lambda latents: drawn.append(name) or real(latents)

    for name in ("sketch", "picture"):
        monkeypatch.setattr(held, name, noted(name))
    runs = [worker.submit(LONG.with_(seed=seed)) for seed in range(7)]
    for run in runs:
        worker.touch(run, "a")
    until(lambda: len(drawn) > 6)
    assert "picture" not in drawn[6:]
    for run in runs[1:]:
        worker.cancel(run, "a")
    until(lambda: "picture" in drawn[6:])
    worker.cancel(runs[0], "a")
    ended(worker, runs[0])
    latents = torch.zeros(1, 4, 16, 12)
    assert held.sketch(latents).size == held.model.preview(latents).size


def test_a_decoder_that_looked_slow_under_load_is_measured_again(make_worker, monkeypatch):
    seconds = iter((9.0, 0.5, 0.01))
    monkeypatch.setattr("dashboard.worker.held_model._decode_seconds", lambda model: next(seconds))
    monkeypatch.setattr("dashboard.worker.held_model.MEASURE_AGAIN_SECONDS", 0.0)
    worker = make_worker()
    until(lambda: worker.status().model)
    until(lambda: worker.status().model.decodes_fast)
    assert next(seconds, None) is None  # a quick one is not measured again
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: (sheet := worker.sheet(run)) and sheet.how == "decoded")


def test_frames_drawn_while_the_decoder_looked_slow_become_decoded(make_worker, monkeypatch):
    load = [True]
    monkeypatch.setattr(
        "dashboard.worker.held_model._decode_seconds", lambda model: 9.0 if load[0] else 0.01
    )
    monkeypatch.setattr("dashboard.worker.held_model.MEASURE_AGAIN_SECONDS", 0.0)
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: worker.sheet(run))
    assert worker.sheet(run).how == "linear"
    load[0] = False
    until(lambda: worker.status().model.decodes_fast)
    worker.want_frames(run)
    until(lambda: worker.sheet(run).how == "decoded")


def test_all_frames_are_decoded_by_choice_and_stay_so(make_worker, monkeypatch):
    monkeypatch.setattr("dashboard.worker.held_model._decode_seconds", lambda model: 9.0)
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    until(lambda: worker.sheet(run) and not worker.paints(run))
    assert worker.sheet(run).how == "linear"
    model = worker.status().model
    worker.study("frames", worker.decoding(run), model.hash, "me")
    until(lambda: not worker.get("frames").live)
    view = worker.get("frames")
    assert (view.state, view.done, view.total) == ("done", 2, 2)
    assert worker.sheet(run).how == "decoded"
    worker._painter.forget_settled()
    worker.want_frames(run)
    until(lambda: not worker.paints(run))
    assert worker.sheet(run).how == "decoded"


def test_no_other_models_decoder_draws_a_run(make_worker):
    worker = make_worker()
    run = worker.submit(SHORT)
    ended(worker, run)
    manifest = worker.runs / run / "manifest.json"
    own = worker.status().model.hash
    manifest.write_text(manifest.read_text().replace(own, "0" * 16))
    worker.study("frames", worker.decoding(run), own, "me")
    until(lambda: not worker.get("frames").live)
    assert "made by another model" in worker.get("frames").error
