"""A run that ended without a picture, and what its buttons do."""

from dashboard.shell.lab import lab
from dashboard.widgets import job_panel
from tests.dashboard.worker.waiting import SHORT, ended


def test_run_again_asks_for_the_same(runs_folder, monkeypatch):
    for name in ("session_id", "come_back"):
        monkeypatch.setattr(job_panel, name, lambda *run: "a session")
    run = lab().submit(SHORT.with_(solver="huen"), frames=False, mix=True)
    lab().wake()
    job_panel._again(ended(lab(), run))
    task = lab().known_runs.find(run)
    assert (task.session, task.mix, task.frames) == ("a session", True, False)
    ended(lab(), run)
    lab().asked_runs.dismiss(run)
