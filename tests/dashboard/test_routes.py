"""The zip route: streamed, whole, and gone when the browser is."""

import io
import threading
import time
import zipfile

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.lab import lab
from dashboard.routes import routes, stream_zip, zip_url
from sdlab.sampling.experiment import Experiment


@pytest.fixture(scope="module")
def stored(runs_folder):
    run = lab().submit(Experiment(prompt="a sun", seed=41, num_steps=2))
    for _ in range(600):
        if not lab().get(run).live:
            return runs_folder / run
        time.sleep(0.1)
    raise TimeoutError


def test_the_route_streams_the_whole_run(stored):
    client = TestClient(Starlette(routes=routes()))
    answer = client.get(zip_url(stored.name))
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    assert f"sdlab-{stored.name}.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {n.rpartition("/")[2] for n in archive.namelist()} >= {"manifest.json", "steps.csv"}


@pytest.mark.parametrize("run", ["0" * 16, "..", "x", "%2e%2e%2f", "A" * 16])
def test_the_route_serves_runs_only(stored, run):
    client = TestClient(Starlette(routes=routes()))
    assert client.get(f"/export/{run}.zip").status_code == 404


def test_a_reader_who_leaves_ends_the_writing(stored):
    stream = stream_zip(stored)
    next(stream)
    stream.close()
    for _ in range(50):
        if not [t for t in threading.enumerate() if t.name == "sdlab-zip"]:
            return
        time.sleep(0.1)
    pytest.fail("the writing thread is still there")


def test_a_run_that_cannot_be_read_breaks_the_download(tmp_path):
    from sdlab.errors import StoreError

    with pytest.raises(StoreError):
        list(stream_zip(tmp_path))
