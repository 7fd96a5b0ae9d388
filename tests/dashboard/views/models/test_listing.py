"""The list of models on the page: rows, what they take, one click to load, folders below a root."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from dashboard.shell.lab import lab
from sdlab.shipped import FOLDER
from tests.dashboard.conftest import read, run_until
from tests.dashboard.forms import errors
from tests.models.hub_cache import COMMITS, make_cached, make_pipeline_folder


@pytest.fixture
def machine(runs_folder, tmp_path, monkeypatch):
    """A machine of its own: a cache of two models, a folder with the embedded one's configs."""
    cache, root = tmp_path / "cache", tmp_path / "models"
    make_cached(cache, "acme/parrot", 1000.0, variant=".fp16")
    make_cached(cache, "acme/parrot", 900.0, COMMITS[1], without="vae")
    (root / "sd").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (root / "out").symlink_to(tmp_path / "secret")
    copy = shutil.copytree(
        FOLDER, root / "sd" / "small", ignore=shutil.ignore_patterns("*.safetensors", "*.jpg")
    )
    for path in FOLDER.glob("*/*.safetensors"):
        (Path(copy) / path.relative_to(FOLDER)).touch()
    make_pipeline_folder(root / "part", without="vae")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(lab().models, "loaded_before", lambda: ())  # what other tests have loaded
    monkeypatch.setenv("SDLAB_MODELS", str(root))
    return root


def asked(monkeypatch):
    found = []
    monkeypatch.setattr(
        lab().models, "load", lambda request, owner, session: found.append(request) or True
    )
    return found


def captions(at):
    return [read(caption) for caption in at.caption]


def test_the_cache_is_listed_and_loaded_with_one_click(open_page, machine, monkeypatch):
    at = run_until(open_page("models"), lambda a: "In memory" in [h.value for h in a.header])
    requests = asked(monkeypatch)
    told = captions(at)
    assert any("Stable Diffusion 1.x" in t and "aaaaaaa" in t and "on disk" in t for t in told)
    assert any("Loading downloads what is missing" in t for t in told)
    next(b for b in at.button if b.label == "Load parrot").click().run()
    assert not at.exception and len(requests) == 1
    assert (requests[0].source, requests[0].revision, requests[0].variant) == (
        "acme/parrot", None, "fp16",
    )  # fmt: skip
    [b for b in at.button if b.label == "Load parrot"][1].click().run()
    assert requests[1].revision == COMMITS[1]


def test_a_folder_says_what_it_takes_before_it_is_loaded(open_page, machine, monkeypatch):
    at = open_page("models", folder="sd")
    at = run_until(at, lambda a: any("takes" in t and "free" in t for t in captions(a)))
    requests = asked(monkeypatch)
    next(b for b in at.button if b.label == "Load small").click().run()
    assert requests[0].source == str(machine / "sd" / "small")
    menu = next(s for s in at.selectbox if s.label == "Open a folder")
    assert menu.options == ["Up"]
    menu.set_value(0).run()
    assert not at.exception and not at.query_params.get("folder")
    menu = next(s for s in at.selectbox if s.label == "Open a folder")
    assert menu.options == ["sd"]  # no link that leads out
    assert any("vae has no weights" in t for t in captions(at))
    assert not any(b.label == "Load part" for b in at.button)


def test_no_address_leads_out_of_the_root(open_page, machine):
    for way in ("out", "../secret", "/etc"):
        at = open_page("models", folder=way)
        assert "There is no folder" in errors(at)[0] and not at.exception
        assert not any("secret" in t or "etc" in t for t in captions(at))


def test_without_a_root_the_page_says_how_to_name_one(open_page, machine, monkeypatch):
    monkeypatch.delenv("SDLAB_MODELS")
    at = open_page("models", folder="..")
    assert any("SDLAB_MODELS=" in t for t in captions(at)) and not errors(at)


def test_a_long_list_can_be_searched(open_page, machine, tmp_path):
    cache = tmp_path / "cache"
    for number in range(9):
        make_cached(cache, f"acme/owl{number}", 2000.0 + number)
    at = open_page("models")
    rows = [b.label for b in at.button if b.label.startswith("Load ")]
    assert rows[0] == "Load owl8" and len(rows) == 6
    at.text_input(key="models.known_search").set_value("ACME parrot").run()
    assert [b.label for b in at.button if b.label.startswith("Load ")] == ["Load parrot"] * 2
    at.text_input(key="models.known_search").set_value("").run()
    at.toggle(key="models.known_all").set_value(True).run()
    assert len([b for b in at.button if b.label.startswith("Load ")]) == 11
