"""Saved curves come back as they were; their names lead nowhere else."""

import json
from datetime import UTC, datetime

import pytest

from sdlab.errors import StoreError
from sdlab.noise import NoiseSchedule
from sdlab.noise.exchange import NamedCurve
from sdlab.runs.curves import delete_curve, list_curves, load_curve, save_curve
from sdlab.runs.listing import list_runs

SCHEDULE = NoiseSchedule.from_config(
    {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
)
TABLE = NamedCurve("sigmas", {"sigmas": (14.6, 2.5, 0.1, 0.0)}, 3)
POINTS = NamedCurve("points", {"points": ((0, 14.0), (1, 0.05))}, 20)


def test_curves_come_back_as_they_were(tmp_path):
    before = datetime.now(UTC)
    path = save_curve(" Größe (1+2) v1.0 ", TABLE, SCHEDULE, tmp_path)
    save_curve("b", POINTS, SCHEDULE, tmp_path)
    assert path == tmp_path / "curves" / "Größe (1+2) v1.0.json"
    assert [s.name for s in list_curves(tmp_path)] == ["Größe (1+2) v1.0", "b"]
    assert load_curve("Größe (1+2) v1.0", tmp_path) == TABLE
    assert load_curve("b", tmp_path) == POINTS
    assert all((s.saved - before).total_seconds() > -2 for s in list_curves(tmp_path))
    assert json.loads(path.read_text("utf-8"))["sigmas"] == [14.6, 2.5, 0.1, 0.0]


def test_saving_again_replaces_and_deleting_deletes(tmp_path):
    for curve in (TABLE, POINTS):
        save_curve("mine", curve, SCHEDULE, tmp_path)
    assert load_curve("mine", tmp_path) == POINTS
    delete_curve("mine", tmp_path)
    assert list_curves(tmp_path) == []
    with pytest.raises(StoreError, match="Unknown saved curve 'mine'"):
        delete_curve("mine", tmp_path)


def test_the_root_is_the_runs_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SDLAB_RUNS", str(tmp_path / "runs"))
    assert list_curves() == []
    save_curve("mine", TABLE, SCHEDULE)
    assert load_curve("mine") == TABLE
    assert list_runs().empty


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\x00", b"[]", b'{"kind": "x"}', b"{" * 9000, b'{"kind":"sdlab.curve","format":1}'],
)
def test_a_damaged_file_is_reported_and_the_others_stay(tmp_path, content):
    save_curve("good", TABLE, SCHEDULE, tmp_path)
    (tmp_path / "curves" / "bad.json").write_bytes(content)
    bad, good = list_curves(tmp_path)
    assert bad.curve is None and "bad.json cannot be read" in bad.problem
    assert good.curve == TABLE and not good.problem
    with pytest.raises(StoreError, match="bad.json cannot be read"):
        load_curve("bad", tmp_path)
    delete_curve("bad", tmp_path)
    assert [s.name for s in list_curves(tmp_path)] == ["good"]


def test_an_unknown_name_names_the_nearest(tmp_path):
    save_curve("slow start", TABLE, SCHEDULE, tmp_path)
    with pytest.raises(StoreError, match="Did you mean 'slow start'"):
        load_curve("slow strat", tmp_path)


@pytest.mark.parametrize(
    "name", ["", "  ", "a/b", "../x", "..", ".hidden", "a\\b", "a\nb", "a\x00b", "x.", "-x", "a*"]
)
def test_names_lead_nowhere_else(tmp_path, name):
    with pytest.raises(ValueError, match="a curve's name"):
        save_curve(name, TABLE, SCHEDULE, tmp_path)
    with pytest.raises(ValueError, match="a curve's name"):
        load_curve(name, tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_a_long_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 to 60 characters, got 61"):
        save_curve("a" * 61, TABLE, SCHEDULE, tmp_path)


def test_what_is_no_curve_is_not_saved(tmp_path):
    rising = NamedCurve("sigmas", {"sigmas": (1.0, 2.0, 0.0)}, 2)
    with pytest.raises(ValueError, match="sigma rises from 1 to 2"):
        save_curve("mine", rising, SCHEDULE, tmp_path)
    assert list_curves(tmp_path) == []
