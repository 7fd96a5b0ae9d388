"""Runs sent to MLflow and to W&B, into real local stores."""

import sys

import pandas as pd
import pytest

import sdlab
from sdlab.errors import SdlabError
from sdlab.runs.marks import mark
from sdlab.runs.run_folder import read_table
from sdlab.sending.parcel import measures_of, parcel_of
from sdlab.sending.sending import programs, send_runs


@pytest.fixture(scope="module")
def stored(small, tmp_path_factory):
    """A run of random weights with a star, tags, a note, and a prompt that is no file name."""
    root = tmp_path_factory.mktemp("sent") / "runs"
    spec = sdlab.Experiment(prompt="a/b: <c> '%'", solver="heun", num_steps=3, seed=5)
    folder = sdlab.run(small, spec).save(root)
    mark(root, [folder.name], star=True, add=["good"], note="the best")
    return folder


def test_a_parcel_has_settings_measures_pictures_and_marks(stored):
    parcel = parcel_of(stored)
    assert parcel.run == stored.name and parcel.name == "heun, 3 steps, seed 5"
    assert parcel.settings["prompt"] == "a/b: <c> '%'" and parcel.settings["model.name"] == "small"
    assert "" not in parcel.settings.values()
    assert list(parcel.measures) == list(range(5))
    assert [path.name for path in parcel.pictures] == ["image.png"]
    assert parcel.totals["nfe"] == 5 and parcel.marks.note == "the best"


def test_only_finite_numbers_are_measures():
    steps = pd.DataFrame(
        {"run": ["a", "a"], "evaluation": [0, 1], "sigma": [float("inf"), 2], "cosine": [None, 1.0]}
    )
    assert measures_of(steps) == {0: {}, 1: {"sigma": 2.0, "cosine": 1.0}}


def test_an_unknown_program_is_refused(stored):
    assert programs() == ["mlflow", "wandb"]
    with pytest.raises(ValueError, match="Unknown program to send runs to 'mlfow'.*'mlflow'"):
        send_runs([stored], "mlfow")


@pytest.mark.parametrize("program", ["mlflow", "wandb"])
def test_without_the_extra_it_says_how_to_install_it(stored, program, monkeypatch):
    monkeypatch.setitem(sys.modules, program, None)
    with pytest.raises(SdlabError, match=rf"{program} is not installed.*sdlab\[{program}\]"):
        send_runs([stored], program, "nowhere")


@pytest.mark.every  # importing MLflow takes seconds; what is sent is tested above
@pytest.mark.parametrize("backend", ["files", "sqlite"])
def test_mlflow_keeps_all_of_a_run_and_takes_it_once(stored, tmp_path, monkeypatch, backend):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)  # where MLflow puts the files of a database's runs
    mlflow = pytest.importorskip("mlflow", reason="pip install mlflow-skinny; make every has it")
    place = (tmp_path / "mlruns").as_uri()
    if backend == "sqlite":
        pytest.importorskip("alembic", reason="pip install mlflow; make every has it by Optuna")
        place = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (sent,) = send_runs([stored], "mlflow", place, "tests")
    assert sent.new and not send_runs([stored], "mlflow", place, "tests")[0].new
    client = mlflow.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("tests").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED" and sent.place.endswith(run.info.run_id)
    assert run.data.params["num_steps"] == "3" and run.data.params["prompt"] == "a/b: <c> '%'"
    assert run.data.tags["sdlab.tags"] == "good" and run.data.tags["sdlab.star"] == "true"
    steps = read_table(stored, "steps")
    for name in ("sigma", "displacement", "ms"):
        points = sorted(client.get_metric_history(run.info.run_id, name), key=lambda p: p.step)
        assert [point.value for point in points] == pytest.approx(steps[name].dropna().tolist())
    (picture,) = client.list_artifacts(run.info.run_id, "pictures")
    got = client.download_artifacts(run.info.run_id, picture.path, str(tmp_path))
    assert open(got, "rb").read() == (stored / "image.png").read_bytes()
    client.set_tag(run.info.run_id, "sdlab.created", "before")  # as if it was made again since
    assert send_runs([stored], "mlflow", place, "tests")[0].new
    assert len(client.search_runs([experiment])) == 1


@pytest.mark.every
def test_mlflow_says_what_is_wrong_with_its_place(stored):
    pytest.importorskip("mlflow", reason="pip install mlflow-skinny; make every has it")
    with pytest.raises(SdlabError, match="MLflow does not take run"):
        send_runs([stored], "mlflow", "nonsense://x")


@pytest.mark.every  # W&B starts a program of its own, which takes seconds
def test_wandb_writes_a_run_into_a_folder_once(stored, tmp_path):
    pytest.importorskip("wandb", reason="pip install wandb; make every has it")
    (sent,) = send_runs([stored], "wandb", str(tmp_path), "tests")
    (folder,) = tmp_path.glob(f"wandb/offline-run-*-{stored.name}")
    assert sent.new and list(folder.glob("*.wandb"))
    assert list(folder.rglob("*.png"))[0].stat().st_size > 0
    assert not send_runs([stored], "wandb", str(tmp_path), "tests")[0].new
    with pytest.raises(ValueError, match="no / .* in a project's name"):
        send_runs([stored], "wandb", str(tmp_path), "a/b")
