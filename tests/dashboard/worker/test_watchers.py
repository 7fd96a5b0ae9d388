"""Who watches a task, by its heartbeats."""

from dashboard.worker.watchers import HEARTBEAT_SECONDS, Watchers


def test_a_watcher_counts_while_its_heart_beats():
    now = [0.0]
    watchers = Watchers(clock=lambda: now[0])
    watchers.touch("a")
    now[0] = HEARTBEAT_SECONDS - 1
    watchers.touch("b")
    assert watchers.count() == 2
    now[0] = HEARTBEAT_SECONDS + 1
    assert watchers.count() == 1
    watchers.leave("b")
    assert watchers.count() == 0
