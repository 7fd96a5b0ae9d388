"""One worker with the real embedded model for all page tests of a session."""

import functools
import gc
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from diffusers import DiffusionPipeline
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard.shell import lab as shell_lab
from dashboard.shell.lab import lab, stop_worker
from dashboard.worker import frame_painter
from dashboard.worker.snapshots import ModelRequest
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.sampling.engine import Engine
from sdlab.shipped import EMBEDDED
from tests.dashboard.tables import channels_table, steps_table

MAIN = Path(__file__).parents[2] / "dashboard" / "shell" / "main.py"


@pytest.fixture
def steps() -> pd.DataFrame:
    return steps_table()


@pytest.fixture
def channels() -> pd.DataFrame:
    return channels_table()


@pytest.fixture(scope="session", autouse=True)
def scanned_once() -> Iterator[None]:
    """Let Streamlit look through the installed packages once, not for every page opened."""
    once = functools.cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def imports_stay_frozen() -> Iterator[None]:
    """Let a worker that takes or leaves a model look for garbage among its own objects only.

    It would unfreeze what all the tests import and look through it, half a second each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "freeze", lambda: None)
        patch.setattr(gc, "unfreeze", lambda: None)
        yield


@pytest.fixture(autouse=True)
def sketches_do(request, monkeypatch) -> None:
    """Leave frames at their sketches: decoding all of every run took a third of the pages' tests.

    Where frames are what is tested, ``usefixtures("decoded_frames")`` has them decoded.
    """
    if "decoded_frames" not in request.fixturenames:
        monkeypatch.setattr(frame_painter, "PATIENCE_SECONDS", 0.0)


@pytest.fixture
def decoded_frames() -> None:
    """Have the frames of runs decoded, as for a person."""


@pytest.fixture(scope="module", autouse=True)
def settled() -> Iterator[None]:
    """Let no file of tests end while a worker still loads a model.

    Until it has, whatever network another test builds has its weights on the meta device: the
    libraries change ``torch.nn.Module`` for all threads while they load.
    """
    yield
    end = time.monotonic() + 240
    while any(w.status().loading and not w.status().stopped for w in shell_lab._started):
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def server_over(folder: Path) -> Iterator[Path]:
    """Let the pages' worker keep its runs in a folder; whichever ran before is stopped."""
    forget_worker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDLAB_RUNS", str(folder))
        yield folder
        forget_worker()


def forget_worker() -> None:
    """Stop the pages' worker and let the next page start another, as a new server would."""
    stop_worker()
    shell_lab._started.clear()
    shell_lab._tidying.clear()


def load_into_pages(source: str) -> None:
    """Let the pages' worker hold a model, and wait until it does."""
    assert lab().models.load(ModelRequest(source)), lab().status().load_error
    end = time.monotonic() + 240
    while lab().status().loading or lab().status().model is None:
        assert time.monotonic() < end, lab().status().load_error
        time.sleep(0.05)
    assert lab().status().model.name == source, lab().status().load_error


@contextmanager
def model_of_pages(pipeline: DiffusionPipeline, folder: Path) -> Iterator[str]:
    """A pipeline in the pages' worker, saved in a folder, by its name; the embedded one after."""
    pipeline.save_pretrained(folder)
    lab().ask(lambda model: None)
    load_into_pages(str(folder))
    yield str(folder)
    load_into_pages(EMBEDDED)


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory) -> Iterator[Path]:
    with server_over(tmp_path_factory.mktemp("runs")) as folder:
        yield folder


@pytest.fixture
def open_page(runs_folder) -> Callable[..., AppTest]:
    def opened(name: str, **params: str) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=240)
        at.query_params.update(params)
        at.switch_page(f"../../pages/{name}.py")
        return at.run()

    return opened


def again(model: Model, name: str | None = None) -> Model:
    """Return the model as if loaded anew, without fitting its previews once more."""
    fresh = Model(model.pipeline, name or "embedded")
    fresh.preview = model.preview
    return fresh


def run_until(at: AppTest, met: Callable[[AppTest], object], seconds: float = 240) -> AppTest:
    """Run the page again and again until the condition is met; fails after ``seconds``.

    The page is left alone for longer each time: what it waits for needs the processor too.
    """
    end, pause = time.monotonic() + seconds, 0.1
    while not met(at):
        assert time.monotonic() < end, [e.value for e in (*at.error, *at.exception)]
        time.sleep(pause)
        pause = min(0.5, 1.5 * pause)
        at.run()
    return at


@pytest.fixture
def unhurried(monkeypatch) -> Callable[[], None]:
    """Slow the worker's rounds, so that a click comes before a run's end; call it to let go."""
    full = Engine.round

    def slowly(self: Engine) -> bool:
        time.sleep(0.3)
        return full(self)

    monkeypatch.setattr(Engine, "round", slowly)
    return lambda: monkeypatch.setattr(Engine, "round", full)


def read(element) -> str:
    """What a person reads of a message: its text without the escapes of Markdown."""
    return re.sub(r"\\([\W_])", r"\1", element.value).replace("\u2060", "")


@pytest.fixture
def quick(open_page):
    at = open_page("experiment")
    at.number_input(key="experiment.steps").set_value(3).run()
    return at


@pytest.fixture
def slow_run(runs_folder):
    run = lab().submit(Experiment(prompt="slow", seed=99, num_steps=900))
    yield run
    lab().cancel(run, "nobody")
