"""Servers that are killed, by hand or by what they make: the next one goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.worker.queue_on_disk import QueueOnDisk
from dashboard.worker.stored_runs import stored_run
from sdlab.experiment.experiment import Experiment
from tests.dashboard.worker.waiting import until

ROOT = Path(__file__).parents[3]
START = """
import sys, time
from pathlib import Path
from dashboard.worker.worker import Worker
from sdlab.experiment.experiment import Experiment
worker = Worker(Path(sys.argv[1]), str, after_page=True)
for text in sys.argv[2:]:
    print(worker.submit(Experiment(prompt=text, num_steps=3), owner="ada"), flush=True)
time.sleep(600)
"""
DEADLY = '''
import os, signal
import sdlab

@sdlab.solver("deadly", order=1)
def deadly(x, sigmas, noise):
    """Euler; a real run of five steps ends the program in its third."""
    for number, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        if number == 2 and len(sigmas) == 6 and x.shape[1] == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        x = x + (sigma_next - sigma) * (x - (yield x, sigma)) / sigma
    return x
'''


def server(*args, code=START, **variables):
    command = [sys.executable, "-c", code, *map(str, args)]
    environment = {**os.environ, **variables}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_what_was_asked_of_a_server_that_was_killed_is_made_by_the_next(make_worker, tmp_path):
    with server(tmp_path, "one", "two", "three") as killed:
        asked = [killed.stdout.readline().strip() for _ in range(3)]
        killed.send_signal(signal.SIGKILL)
    worker = make_worker()
    assert [
        view.id for view in worker.known_runs.resumed("ada")
    ] == asked and worker.known_runs.resumed("eve") == []
    until(lambda: not worker.known_runs.resumed())
    assert all(stored_run(tmp_path, run) for run in asked)
    assert worker._kept.all() == []


@pytest.mark.every
def test_a_run_that_ends_the_whole_server_twice_is_set_aside_and_others_are_made(tmp_path):
    solvers, runs = tmp_path / "solvers", tmp_path / "runs"
    solvers.mkdir()
    (solvers / "deadly.py").write_text(DEADLY)
    deadly = Experiment(solver="deadly", num_steps=5)
    good = [Experiment(prompt="good", num_steps=9, seed=seed) for seed in range(2)]
    before = QueueOnDisk(runs / ".dashboard" / "queue.sqlite3", "a" * 16)
    for experiment in (good[0], deadly, good[1]):
        before.ask(experiment)
    before.close()
    ends = []
    with server(runs, SDLAB_SOLVERS=str(solvers)) as first:
        ends.append(first.wait(240))
    with server(runs, SDLAB_SOLVERS=str(solvers)) as second:
        ends.append(second.wait(240))
    assert ends == [-signal.SIGKILL] * 2
    with server(runs, SDLAB_SOLVERS=str(solvers)) as third:
        until(lambda: all(stored_run(runs, run.id) for run in good))
        third.terminate()
    after = QueueOnDisk(runs / ".dashboard" / "queue.sqlite3", "b" * 16)
    for name in after.others():
        after.take_over(name)
    (left,) = [kept for kept in after.all() if kept.id == deadly.id]
    assert "the server ended 2 times" in left.error and "evaluation 2" in left.error
