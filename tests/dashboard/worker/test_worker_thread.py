"""The worker's thread: whatever ends it, the next one goes on, and how it is can be asked."""

import sys
import threading
import time

import pytest

from dashboard.worker.health import SILENT_SECONDS
from dashboard.worker.measures import Measures
from dashboard.worker.under_way import UnderWay
from dashboard.worker.worker_thread import MOST_BREAKS, SWITCH_SECONDS, WorkerThread
from tests.dashboard.worker.waiting import until


class Turns:
    """A thread that does nothing but what the test tells it."""

    def __init__(self, patience=0.0):
        self.work, self.measures = UnderWay(), Measures()
        self.error, self.held = None, threading.Event()
        self.mended, self.firsts, self.turns, self.closed = [], 0, 0, False
        self.held.set()
        self.thread = WorkerThread(
            self.first, self.turn, self.rest, self.mended.append, self.close,
            self.work, self.measures, patience,
        )  # fmt: skip
        self.thread.start()

    def first(self):
        self.firsts += 1

    def turn(self):
        with self.work.doing("a test"):
            self.held.wait()
        self.turns += 1
        if self.error is not None and self.error[0] == "turn":
            raise self.error[1]
        return False

    def rest(self):
        if self.error is not None and self.error[0] == "rest":
            error, self.error = self.error[1], None
            raise error
        time.sleep(0.001)

    def close(self):
        self.closed = True


@pytest.fixture
def turns():
    made = Turns()
    until(lambda: made.turns)
    yield made
    made.held.set()
    made.thread.stop(60)
    assert made.closed and made.thread.health().state == "ended"


def test_what_breaks_a_turn_is_mended_and_counted(turns):
    turns.error = ("turn", SystemExit(3))
    until(lambda: turns.measures.restarts >= MOST_BREAKS)
    health = turns.thread.health()
    assert health.state == "broken" and not health.well and health.restarts >= MOST_BREAKS
    assert {type(error) for error in turns.mended} == {SystemExit}
    turns.error = None
    assert until(lambda: (h := turns.thread.health()).well and h)
    assert turns.firsts == 1


def test_a_thread_that_ends_is_followed_by_another(turns):
    before = turns.thread.thread
    turns.error = ("rest", KeyboardInterrupt())
    until(lambda: turns.thread.thread is not before and turns.firsts == 2)
    assert turns.thread.health().restarts == 1 and not before.is_alive()
    assert [type(error) for error in turns.mended] == [KeyboardInterrupt]


def test_it_is_busy_since_when_its_work_began(turns):
    turns.held.clear()
    health = until(lambda: (h := turns.thread.health()).busy_seconds > 0.05 and h)
    assert (health.state, health.well) == ("busy", True)
    assert health.reason.startswith("busy with a test since")


def test_before_it_has_begun_it_is_not_well():
    waiting = Turns(patience=600)
    health = waiting.thread.health()
    assert (health.state, health.well) == ("starting", False)
    waiting.thread.wake()
    until(lambda: waiting.thread.health().well)
    waiting.thread.stop(60)


def test_no_sign_between_two_pieces_of_work_is_no_good_sign(turns):
    turns.thread.work = silent = UnderWay()
    silent.beat -= SILENT_SECONDS + 1
    health = turns.thread.health()
    assert health.state == "silent" and "restart the server" in health.reason


def test_the_network_waits_less_for_the_interpreter_than_python_lets_it(turns):
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
