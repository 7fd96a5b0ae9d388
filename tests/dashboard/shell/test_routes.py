"""The zip routes: streamed, whole, and gone when the browser is."""

import io
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.shell.headers import HEADERS, middleware
from dashboard.shell.lab import lab
from dashboard.shell.routes import (
    _blocks,
    comparison_zip_url,
    frames_url,
    picture_url,
    routes,
    runs_table_url,
    words_url,
    zip_url,
)
from dashboard.worker.task import BusyError
from dashboard.worker.word_maps import read_word_maps
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.summary import summarise
from sdlab.errors import StoreError
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.runs.export import zip_of
from sdlab.runs.run_folder import open_run
from sdlab.runs.search import Search
from tests.dashboard.worker.waiting import until


def run_of(experiment, runs_folder):
    run = lab().submit(experiment)
    for _ in range(600):
        if not lab().get(run).live:
            return runs_folder / run
        time.sleep(0.1)
    raise TimeoutError


pytestmark = pytest.mark.usefixtures("decoded_frames")


@pytest.fixture(scope="module")
def stored(runs_folder):
    return run_of(Experiment(prompt="a sun", seed=41, num_steps=2), runs_folder)


@pytest.mark.every
def test_the_route_streams_the_whole_run(stored):
    client = TestClient(Starlette(routes=routes()))
    answer = client.get(zip_url(stored.name))
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    assert f"sdlab-{stored.name}.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {n.rpartition("/")[2] for n in archive.namelist()} >= {"manifest.json", "steps.csv"}


def frames_in(answer):
    """The frames in a zip by name, and what its README says of them."""
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        inside = {n.rpartition("/")[2]: n for n in archive.namelist() if "/frames/" in n}
        about = archive.read(inside.pop("README.txt")).decode()
        frames = {name: Image.open(io.BytesIO(archive.read(n))) for name, n in inside.items()}
    return frames, about


def test_the_zip_has_every_frame_without_loss(stored):
    client = TestClient(Starlette(routes=routes()))
    frames, about = frames_in(client.get(zip_url(stored.name)))
    assert len(frames) == 8 and frames["channels-001.png"].size == (32, 32)
    x0_pred = open_run(stored).trace.x0_pred[1:]
    decoded = lab().ask(lambda model: model.decode(x0_pred))
    assert frames["x0_pred-001.png"].tobytes() == decoded.tobytes()
    assert frames["x0_pred-001.png"].format == "PNG" and "decoded by the VAE of embedded" in about


def test_the_zip_says_what_its_frames_are(stored, monkeypatch):
    until(lambda: (sheet := lab().frames.sheet(stored.name)) and sheet.how == "decoded")
    client = TestClient(Starlette(routes=routes()))
    ways = [("false colour", None)]
    monkeypatch.setattr(lab()._held, "means", lambda model_hash: ways)
    frames, about = frames_in(client.get(zip_url(stored.name)))
    assert len(frames) == 8 and "stored as WebP" in about and "128 x 128 pixels" in about
    monkeypatch.setattr(lab().frames, "sheet", lambda run: None)
    frames, about = frames_in(client.get(zip_url(stored.name)))
    assert frames["x0_pred-001.png"].size == (16, 16) and "in false colours" in about

    def busy(*args):
        raise BusyError("busy")

    ways[0] = ("linear", None)
    monkeypatch.setattr(lab(), "ask", busy)
    _, about = frames_in(client.get(zip_url(stored.name)))
    assert "a linear map" in about and "From picture 1 on they are in false colours" in about


def test_the_heat_maps_of_words_are_served(stored, runs_folder):
    asked = Experiment(prompt="a sun", num_steps=2, record=Record(attention=AttentionRecord()))
    folder = run_of(asked, runs_folder)
    facts = read_word_maps(folder, "embedded")
    assert facts.words == ("a", "sun") and facts.evaluations == (0, 1) and facts.columns == 4
    client = TestClient(Starlette(routes=routes()))
    answer = client.get(words_url(folder.name))
    sheet = np.asarray(Image.open(io.BytesIO(answer.content)))
    width, height = facts.size
    assert sheet.shape == (height, 4 * width)
    own = open_run(folder).trace.attention
    heat = own.heatmap("sun", evaluation=1, layer=facts.layers)
    top = max(own.heatmap("sun", evaluation=e, layer=facts.layers).max() for e in (0, 1))
    np.testing.assert_allclose(sheet[:, 3 * width :], 255 * heat / top, atol=0.51)
    assert client.get(words_url(stored.name)).status_code == 404  # it recorded none
    assert client.get(words_url("0" * 16)).status_code == 404


def test_the_sheet_of_frames_is_served(stored):
    until(lambda: lab().frames.sheet(stored.name))
    client = TestClient(Starlette(routes=routes()))
    answer = client.get(frames_url(stored.name, "decoded 1"))
    assert answer.headers["content-type"] == "image/webp"
    assert answer.content == lab().frames.sheet(stored.name).webp
    for name in ("0" * 16, ".."):
        assert client.get(frames_url(name)).status_code == 404


@pytest.fixture(scope="module")
def compared(runs_folder):
    """A stored comparison of one run, without a reference; and the run's folder."""
    model = lab().ask(ModelFacts.of)
    comparison = Comparison([Entrant("euler")], ["a sun"], [41], 2)
    (cell,) = comparison.cells(model.config)
    folder = run_of(cell.experiment, runs_folder)
    result = summarise(comparison, {cell.experiment.id: open_run(folder)}, model)
    result.save(runs_folder)
    return result, folder


def names_in(answer):
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_a_comparison_comes_with_or_without_its_runs(compared):
    result, folder = compared
    client = TestClient(Starlette(routes=routes()))
    bare = names_in(client.get(comparison_zip_url(result.id)))
    assert "cost.csv" in bare and not [name for name in bare if name.startswith("runs/")]
    answer = client.get(comparison_zip_url(result.id, runs=True))
    assert f"sdlab-comparison-runs-{result.id}.zip" in answer.headers["content-disposition"]
    assert set(names_in(answer)) > set(bare) | {f"runs/{folder.name}/manifest.json"}


def test_a_comparison_whose_run_is_gone_comes_without_runs_only(compared, tmp_path):
    result, folder = compared
    client = TestClient(Starlette(routes=routes()))
    folder.rename(tmp_path / folder.name)
    try:
        answer = client.get(comparison_zip_url(result.id, runs=True))
        assert answer.status_code == 404 and folder.name in answer.text
        assert "cost.csv" in names_in(client.get(comparison_zip_url(result.id)))
    finally:
        (tmp_path / folder.name).rename(folder)


@pytest.mark.parametrize("run", ["0" * 16, "..", "x", "%2e%2e%2f", "A" * 16])
def test_the_route_serves_runs_only(stored, run):
    client = TestClient(Starlette(routes=routes()))
    assert client.get(f"/export/{run}.zip").status_code == 404


def test_the_table_of_found_runs_is_served(stored):
    client = TestClient(Starlette(routes=routes()))
    search = Search(text=open_run(stored).experiment.prompt, solver=("ddim", "heun"), star=False)
    answer = client.get(runs_table_url(search, "csv"))
    assert answer.headers["content-type"].startswith("text/csv")
    assert stored.name in pd.read_csv(io.BytesIO(answer.content))["run"].tolist()
    none = client.get(runs_table_url(Search(text="no such words", star=True), "parquet"))
    assert pd.read_parquet(io.BytesIO(none.content)).empty
    steps = client.get(runs_table_url(replace(search, run=(stored.name,)), "csv", "steps"))
    table = pd.read_csv(io.BytesIO(steps.content))
    assert set(table["run"]) == {stored.name} and set(table["num_steps"]) == {2}
    for address in (
        "runs/nothing.csv",
        "runs/steps.xls",
        "runs.zip",
        "runs.csv?x=1",
        "runs.csv?order=none",
        "runs.csv?since=now",
    ):
        assert client.get(f"/export/{address}").status_code == 404


@pytest.fixture
def client():
    return TestClient(Starlette(routes=routes(), middleware=middleware()))


def test_a_picture_is_served_and_no_link_out_of_the_store(stored, client, tmp_path):
    answer = client.get(picture_url(stored.name))
    assert answer.content == (stored / "image.png").read_bytes()
    secret = tmp_path / "secret.png"
    secret.write_bytes(answer.content)
    folder, moved = stored.parent / ("1" * 16), tmp_path / ("2" * 16)
    shutil.copytree(stored, folder)
    shutil.copytree(stored, moved)
    link = stored.parent / moved.name
    link.symlink_to(moved)
    try:
        for name in ("image.png", "manifest.json"):
            (folder / name).unlink()
            (folder / name).symlink_to(secret if name == "image.png" else moved / name)
            assert client.get(picture_url(folder.name)).status_code == 404
        for run in (folder.name, link.name):
            assert client.get(picture_url(run)).status_code == 404
            assert client.get(zip_url(run)).status_code == 404
    finally:
        shutil.rmtree(folder)
        link.unlink()


def test_a_linked_table_is_not_in_the_zip(stored, client, tmp_path):
    table, elsewhere = stored / "steps.parquet", tmp_path / "elsewhere.parquet"
    table.rename(elsewhere)
    table.symlink_to(elsewhere)
    try:
        assert not [name for name in names_in(client.get(zip_url(stored.name))) if "steps" in name]
    finally:
        table.unlink()
        shutil.copy(elsewhere, table)


@pytest.mark.parametrize("path", ["/export/x.zip", "/export/comparison/x.zip", "/picture/x.png"])
def test_every_answer_says_what_the_browser_is_to_refuse(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "same-origin"


def test_a_page_may_be_framed_by_its_own_server_only(client):
    headers = client.get("/no/such/page").headers
    assert {name: headers[name] for name in HEADERS} == HEADERS


def test_the_download_begins_before_the_frames_are_drawn(stored):
    drawn = []

    def frame():
        drawn.append(1)
        yield b"a frame"

    archive = zip_of(stored)
    archive.add(frame(), "frame.png")
    blocks = _blocks(archive)
    assert next(blocks).startswith(b"PK") and not drawn
    b"".join(blocks)
    assert drawn == [1]


def test_a_reader_who_leaves_ends_the_writing(stored):
    blocks = iter(zip_of(stored))
    while b"IHDR" not in next(blocks):
        continue
    assert open_in(stored) == ["image.png"]
    blocks.close()
    assert open_in(stored) == []


def open_in(folder):
    opened = (Path(file.path) for file in psutil.Process().open_files())
    return [path.name for path in opened if path.parent == folder]


def test_a_table_that_cannot_be_read_breaks_the_download(stored, client, tmp_path):
    table, kept = stored / "steps.parquet", tmp_path / "steps.parquet"
    shutil.copy(table, kept)
    table.write_bytes(b"nothing")
    try:
        with pytest.raises(StoreError, match=r"steps\.parquet cannot be read"):
            client.get(zip_url(stored.name))
    finally:
        shutil.copy(kept, table)
