"""What was loaded is remembered over restarts, without secrets; no trouble of the disk matters."""

import pytest

from dashboard.worker.loaded_before import KEPT, LoadedBefore
from dashboard.worker.snapshots import ModelRequest, ModelView

VIEW = ModelView(
    "acme/parrot", "sdxl", "cpu", "CPU", "float32", 1, 4000, "h", (64, 64), "epsilon", True,
    pipeline="StableDiffusionXLPipeline",
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".dashboard" / "models.json"


def test_models_are_remembered_the_latest_first(path):
    before = LoadedBefore(path)
    full = ModelRequest("acme/parrot", "v1", "fp16", "float16", token="hf_secret", tiled=True)
    for request in (full, ModelRequest("/models/a"), ModelRequest(), full):
        before.note(request, VIEW)
    after = LoadedBefore(path).all()
    assert after == before.all() and "hf_secret" not in path.read_text()
    assert [one.request.source for one in after] == ["acme/parrot", "/models/a"]
    kept = after[0]
    assert kept.request == ModelRequest("acme/parrot", "v1", "fp16", "float16", tiled=True)
    assert (kept.family, kept.pipeline, kept.memory_bytes) == ("sdxl", VIEW.pipeline, 4000)


def test_another_server_over_the_same_folder_adds_to_it(path):
    one, other = LoadedBefore(path), LoadedBefore(path)
    one.note(ModelRequest("a/one"), VIEW)
    other.note(ModelRequest("a/other"), VIEW)
    assert [model.request.source for model in LoadedBefore(path).all()] == ["a/other", "a/one"]


def test_only_so_many_are_kept(path):
    before = LoadedBefore(path)
    for number in range(KEPT + 5):
        before.note(ModelRequest(f"a/{number}"), VIEW)
    assert len(LoadedBefore(path).all()) == KEPT


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "{}x", '[{"request": {"source": 5}, "used": 1}]', "\udcff", "[" * 9999],
)
def test_nonsense_is_skipped(path, text):
    path.parent.mkdir()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    before = LoadedBefore(path)
    assert before.all() == ()
    before.note(ModelRequest("a/model"), VIEW)
    assert len(LoadedBefore(path).all()) == 1


def test_a_disk_that_takes_nothing_fails_no_load(tmp_path):
    (tmp_path / "file").touch()
    before = LoadedBefore(tmp_path / "file" / "models.json")
    before.note(ModelRequest("a/model"), VIEW)
    assert [one.request.source for one in before.all()] == ["a/model"]
