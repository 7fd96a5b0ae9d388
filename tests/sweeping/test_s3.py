"""Sweeps whose workers share an S3 storage: a server of this machine speaks its protocol."""

import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import sdlab
from tests.sweeping.losing import Losing
from tests.sweeping.test_sweep import assert_same_runs

pytestmark = pytest.mark.every  # the server starts slowly; test_executors has its cousin
pytest.importorskip("moto", reason="pip install -r requirements-every.txt")


@pytest.fixture(scope="module")
def bucket():
    """A URL in a bucket of a server that ends with the tests."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}/lab"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(urllib.request.Request(address, method="PUT"))
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        yield f"s3://key:secret@lab/runs?scheme=http&endpoint_override=127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_runs_come_whole_through_an_object_storage(model, spec, tmp_path, bucket):
    on = Losing([1, 0], storage=bucket)
    table = sdlab.sweep(model, spec, root=tmp_path / "one", on=on).table
    assert (table["state"] == "done").all()
    sdlab.sweep(model, spec, root=tmp_path / "two", on=Losing())
    assert_same_runs(tmp_path / "one", tmp_path / "two")
    asked = []
    sdlab.sweep(model, spec, root=tmp_path / "three", on=Losing(storage=bucket),
                on_progress=lambda *done: asked.append(done))  # fmt: skip
    assert not any(total for _, total in asked)
    assert_same_runs(tmp_path / "three", tmp_path / "two")
