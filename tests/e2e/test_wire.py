"""What a websocket may say that no browser does, and a visitor without a browser."""

import contextlib
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from tests.e2e.wire import Visit
from tests.hostile.strategies import messages, tried
from tests.hostile.told import tells

PATIENCE = 240


def made(server, runs, seed):
    """A small run, asked for as a person does."""
    with Visit(f"{server}/experiment?experiment.steps=2&experiment.seed={seed}") as visit:
        visit.press("experiment.go", within=PATIENCE)
        visit.wait(lambda: visit.parameter("run"), PATIENCE)
        run = visit.parameter("run")
        visit.wait(Path(runs, run, "manifest.json").exists, PATIENCE)
        assert not visit.exceptions
    return run


@pytest.mark.every
def test_no_message_ends_or_doubles_the_worker(server, runs):
    first = made(server, runs, 71)

    def say(message):
        with Visit(f"{server}/glossary") as visit, contextlib.suppress(ConnectionClosed):
            visit.settle(PATIENCE)
            visit.send(message)
            visit.stay(0.2)
            assert not tells(" ".join((*visit.texts, *visit.exceptions)), runs)

    tried(messages, say, 30)
    say(BackMsg(clear_cache=True).SerializeToString())
    assert made(server, runs, 72) != first
