"""What was loaded before and what lies in the cache are one list; what fits is judged."""

import os
from pathlib import Path

import pytest

from dashboard.views.models.needs import judged
from dashboard.views.models.rows import folder_row, known_rows, offered_rows
from dashboard.worker.loaded_before import LoadedModel
from dashboard.worker.snapshots import ModelRequest
from sdlab.models.found import Listing, found_at, in_cache
from sdlab.models.memory_plan import AS_IS, OFFLOAD, TILED
from tests.models.hub_cache import COMMITS, make_cached, make_pipeline_folder

WAYS = ((AS_IS, 1000), (TILED, 800), (OFFLOAD, 500))


def loaded(source, used, **options):
    return LoadedModel(
        ModelRequest(source, **options), used, "sdxl", "StableDiffusionXLPipeline", 4000
    )


def test_only_operators_are_told_that_nothing_lies_where_the_list_says(tmp_path):
    listed = [ModelRequest(str(tmp_path / "gone")), ModelRequest("acme/parrot")]
    told = [row.note for row in offered_rows(listed, [], told=True)]
    assert told == ["No pipeline and no .safetensors file lies there.", ""]
    assert [row.note for row in offered_rows(listed, [], told=False)] == ["", ""]


def test_each_model_has_one_row_the_last_used_first(tmp_path):
    make_cached(tmp_path / "cache", "acme/parrot", 1000.0)
    make_cached(tmp_path / "cache", "acme/parrot", 1500.0, COMMITS[1], without="vae")
    make_cached(tmp_path / "cache", "acme/owl", 2000.0)
    folder = make_pipeline_folder(tmp_path / "mine")
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (500, 500))
    past = [
        loaded(str(folder), 5000.0),
        loaded("acme/parrot", 4000.0, dtype="float16", revision="main"),
        loaded("acme/parrot", 3000.0),
        loaded("acme/gone", 1200.0),
        loaded(str(tmp_path / "gone"), 9000.0),
    ]
    rows = known_rows(past, in_cache(tmp_path / "cache"))
    assert [(row.request.source, row.used) for row in rows] == [
        (str(folder), 5000.0),
        ("acme/parrot", 4000.0),
        ("acme/owl", 2000.0),
        ("acme/parrot", 1500.0),
        ("acme/gone", 1200.0),
    ]
    mine, parrot, owl, part, gone = rows
    assert mine.configs == folder and mine.disk_bytes and mine.loaded
    assert parrot.request.dtype == "float16" and parrot.commit == COMMITS[0]
    assert owl.kind == "Stable Diffusion 1.x" and not owl.loaded and not owl.note
    assert "Loading downloads what is missing" in part.note and part.loadable
    assert "no longer in the cache" in gone.note and gone.configs is None
    assert known_rows([], Listing(Path("absent"))) == []


def test_a_folder_that_is_broken_cannot_be_loaded(tmp_path):
    row = folder_row(found_at(make_pipeline_folder(tmp_path / "sd", without="vae")))
    assert not row.loadable and "vae has no weights" in row.note
    assert folder_row(found_at(make_pipeline_folder(tmp_path / "whole"))).loadable


@pytest.mark.parametrize(
    ("free", "text", "offload", "tiled"),
    [
        (2000, "takes 1000 B of 2.0 KiB free", None, False),
        (1000, "takes 800 B of 1000 B free with tiles", None, True),
        (600, "takes 500 B of 600 B free with model CPU offload", "model", False),
    ],
)
def test_the_quickest_way_that_fits_is_taken(free, text, offload, tiled):
    told = judged(WAYS, ModelRequest("a/model"), free)
    assert told.text == text and told.fits
    assert told.request == ModelRequest("a/model", offload=offload, tiled=tiled)


def test_what_does_not_fit_says_so_and_a_way_that_was_chosen_stays():
    told = judged(WAYS, ModelRequest("a/model"), 100)
    assert told.fits is False and told.text == "does not fit: takes 500 B, 100 B free"
    own = judged(WAYS, ModelRequest("a/model", offload="model"), 5000)
    assert own.text.startswith("takes 500 B") and own.request.offload == "model"
