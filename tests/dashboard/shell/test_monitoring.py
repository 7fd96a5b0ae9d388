"""What a server tells those who watch over it: whether it works, and its figures, no names."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.shell import monitoring
from dashboard.shell.lab import lab
from dashboard.worker.health import Health
from sdlab.experiment.experiment import Experiment
from tests.dashboard.worker.waiting import ended

RUN = Experiment(prompt="a secret of mine", seed=77, num_steps=2)


@pytest.fixture
def client():
    return TestClient(Starlette(routes=monitoring.monitoring_routes()))


def figures(client):
    """Each sample by its name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200 and "version=" in answer.headers["content-type"]
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }, answer.text


def test_a_worker_that_works_is_well(client, runs_folder):
    run = lab().submit(RUN, owner="ada@example.org")
    assert ended(lab(), run).state == "done"
    answer = client.get("/health")
    said = answer.json()
    assert answer.status_code == 200 and said["status"] == "ok"
    assert said["worker"] in ("idle", "busy") and said["beat_seconds"] < 60
    assert answer.headers["cache-control"] == "no-store"


def test_the_figures_are_those_of_the_work_and_name_nobody(client, runs_folder):
    before = figures(client)[0]
    run = lab().submit(RUN.with_(seed=78), owner="ada@example.org")
    assert ended(lab(), run).state == "done"
    after, text = figures(client)
    for stage in ("queued", "text", "sampling", "decoding", "saving"):
        count, seconds = ("sdlab_run_seconds_count", stage), ("sdlab_run_seconds_sum", stage)
        assert after[count] == before[count] + 1 and after[seconds] > before[seconds]
        assert after["sdlab_run_seconds_bucket", "+Inf", stage] == after[count]
    done = ("sdlab_runs_ended_total", "done")
    assert after[done] == before.get(done, 0) + 1
    assert after["sdlab_up",] == after["sdlab_queue_on_disk",] == 1
    assert after["sdlab_queue_length",] == after["sdlab_runs", "queued"] == 0
    assert after["sdlab_model_bytes",] > 1e6 and after["process_resident_memory_bytes",] > 1e6
    assert "secret" not in text and "ada" not in text and str(runs_folder) not in text


@pytest.mark.parametrize("state", ["starting", "dead", "broken", "silent", "no model", "ended"])
def test_one_that_does_not_is_unavailable_and_says_why(client, monkeypatch, state):
    class Ill:
        def health(self):
            return Health(state, "It is ill.")

    monkeypatch.setattr("dashboard.shell.lab._started", [Ill()])
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json() | {"worker": state, "reason": "It is ill."} == answer.json()


def test_before_there_is_a_worker_it_is_not_started_by_asking(client, monkeypatch):
    monkeypatch.setattr("dashboard.shell.lab._started", [])
    assert client.get("/health").json()["worker"] == "starting"
    assert figures(client)[0]["sdlab_up",] == 0
