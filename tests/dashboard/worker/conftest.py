"""A worker with the real embedded model."""

import pytest

import sdlab
from dashboard.shell.messages import sentence
from dashboard.worker.worker import Worker
from tests.dashboard.conftest import again


@pytest.fixture(scope="session")
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
