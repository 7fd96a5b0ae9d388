"""One table of many runs, as a frame and as a file."""

import io

import pandas as pd
import pytest

from sdlab.columns import STEPS
from sdlab.errors import StoreError
from sdlab.runs.run_folder import read_table
from sdlab.runs.tables import blocks_of, chosen_runs, table_of, write_table
from tests.runs.conftest import copy_of


@pytest.fixture
def two(stored):
    """The folders of two runs in one store."""
    return [stored, copy_of(stored, solver="heun", prompt="a dog")]


def test_the_rows_of_all_runs_stand_below_each_other(two):
    runs = chosen_runs(two[0].parent, [folder.name[:8] for folder in two])
    steps = table_of("steps", runs, ["solver", "seed"])
    assert list(steps)[:3] == ["run", "solver", "seed"] and set(STEPS) <= set(steps)
    for folder, solver in zip(two, ("ddim", "heun"), strict=True):
        own = steps[steps["run"] == folder.name]
        assert set(own["solver"]) == {solver}
        stored = read_table(folder, "steps").drop(columns="run")
        pd.testing.assert_frame_equal(own[list(stored)].reset_index(drop=True), stored)
    assert steps["run"].drop_duplicates().tolist() == [folder.name for folder in two]


def test_a_search_chooses_and_a_taken_name_is_kept_apart(two):
    runs = chosen_runs(two[0].parent, solver="heun")
    tokens = table_of("tokens", runs, ["prompt"])
    assert set(tokens["run_prompt"]) == {"a dog"} and "negative" in set(tokens["prompt"])
    assert table_of("runs", runs)["run"].tolist() == [two[1].name]


def test_files_hold_the_same_as_the_frame(two, tmp_path):
    runs = chosen_runs(two[0].parent)
    for name in ("steps", "timings"):
        frame = table_of(name, runs)
        parquet = pd.read_parquet(write_table(name, runs, tmp_path / "all.parquet"))
        pd.testing.assert_frame_equal(parquet, frame, check_dtype=False)
        csv = pd.read_csv(write_table(name, runs, tmp_path / "all.csv"))
        assert len(csv) == len(frame) and list(csv) == list(frame)
        assert csv["ms"].tolist() == pytest.approx(frame["ms"].tolist())
    prompts = b"".join(blocks_of("runs", runs, "csv"))
    assert "'=a" in pd.read_csv(io.BytesIO(prompts))["prompt"].str.cat()  # no formula


def test_what_is_not_there_is_refused(two, tmp_path):
    root = two[0].parent
    runs = chosen_runs(root)
    with pytest.raises(ValueError, match="Unknown table 'step'.*'steps'"):
        table_of("step", runs)
    with pytest.raises(ValueError, match="Unknown column of runs 'solvr'.*'solver'"):
        table_of("steps", runs, ["solvr"])
    with pytest.raises(ValueError, match="None of these 2 runs has the table 'attention'"):
        table_of("attention", runs)
    with pytest.raises(ValueError, match="There is no run to take a table of"):
        table_of("steps", runs.head(0))
    with pytest.raises(ValueError, match="must end in .csv or .parquet, got 'all.xls'"):
        write_table("steps", runs, tmp_path / "all.xls")
    with pytest.raises(ValueError, match="Unknown kind of table 'xls'"):
        blocks_of("steps", runs, "xls")
    with pytest.raises(ValueError, match="not both"):
        chosen_runs(root, [two[0].name], solver="ddim")
    (two[0] / "image.png").write_bytes(b"")
    (two[1] / "steps.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="cannot be read as Parquet"):
        table_of("steps", runs)
    assert not list(tmp_path.glob("all*"))
