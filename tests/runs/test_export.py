"""A CSV is safe for a spreadsheet; a zip holds the whole run and is made in little memory."""

import codecs
import csv
import io
import json
import tracemalloc
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdlab.errors import StoreError
from sdlab.runs.export import csv_bytes, export_run, safe_cell, write_zip
from sdlab.runs.listing import COLUMNS, list_runs
from sdlab.runs.run_folder import FILES

from .conftest import file_limit


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=1", "'\n'=1"),
        (" =1", "' =1"),
        ("\u200b=1", "'\u200b=1"),
        ("＝1", "'＝1"),
        ("－1", "'－1"),
        ("﹢1", "'﹢1"),
        ("\u22121", "'\u22121"),
        ("a cat;=HYPERLINK(A1)", "a cat;'=HYPERLINK(A1)"),
        ("a cat;; =1", "a cat;;' =1"),
        ('a;"=1"', 'a;\'"=1"'),
        ("a\n@b", "a\n'@b"),
        ("a\t+b|-c", "a\t'+b|'-c"),
        *((plain, plain) for plain in ("plain", "a=b", "a; b - c", "a, -5", "x-ray", "", "'=1")),
    ],
)
def test_cells_that_a_spreadsheet_would_run_are_text(cell, safe):
    text = csv_bytes(pd.DataFrame({"word": [cell], "n": [1]})).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [["word", "n"], [safe, "1"]]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="a=+-@＝;|\t\n\r\x85\u2028 ,\"'1", max_size=12), min_size=1))
def test_no_cell_begins_as_a_formula_whatever_separates(texts):
    """However a spreadsheet cuts the file: at the other separators it knows no quotes at all."""
    table = pd.DataFrame({"n": range(len(texts)), "word": texts, "again": texts})
    written = csv_bytes(table).decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    for separator in ";|\t":
        for line in written.splitlines():
            cells += line.split(separator)
            cells += next(csv.reader([line], delimiter=separator), [])
    cells = [cell.lstrip(' "') for cell in cells]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@＝"))]


def test_excel_and_pandas_read_words_beyond_ascii():
    data = csv_bytes(pd.DataFrame({"größe": ["Café", "猫"]}))
    assert data.startswith(codecs.BOM_UTF8) and data.count(codecs.BOM_UTF8) == 1
    for source in (io.BytesIO(data), io.StringIO(data.decode())):
        read = pd.read_csv(source)
        assert list(read) == ["größe"] and read["größe"].tolist() == ["Café", "猫"]


def test_a_long_text_takes_a_moment():
    for piece in ("\n", ";", " ", "; ", '"'):
        assert len(safe_cell(piece * 200_000)) <= 200_001 * len(piece)


def test_numbers_are_untouched():
    table = pd.DataFrame(
        {"x": [-1.5, 0.1 + 0.2, np.nan], "n": [-1, 2, 3], "ok": [True, False, True]}
    )
    assert csv_bytes(table) == codecs.BOM_UTF8 + (
        b"x,n,ok\r\n-1.5,-1,True\r\n0.30000000000000004,2,False\r\n,3,True\r\n"
    )


def test_words_survive():
    table = pd.DataFrame({"word": ['say "hi"', "a,b", "two\nlines", "夜"]})
    text = csv_bytes(table).decode("utf-8-sig")
    assert text == 'word\r\n"say ""hi"""\r\n"a,b"\r\n"two\nlines"\r\n夜\r\n'


def test_headers_are_safe_too():
    assert csv_bytes(pd.DataFrame({"=x": [1]})) == codecs.BOM_UTF8 + b"'=x\r\n1\r\n"


def test_empty_table_keeps_its_header():
    assert csv_bytes(pd.DataFrame(columns=["a", "b"])) == codecs.BOM_UTF8 + b"a,b\r\n"


def test_long_table_is_one_table():
    table = pd.DataFrame({"n": range(2500)})
    assert pd.read_csv(io.BytesIO(csv_bytes(table)))["n"].tolist() == list(range(2500))


class Pipe:
    """Only writes, like a socket; counts what it takes."""

    def __init__(self):
        self.size = 0

    def write(self, data):
        self.size += len(data)


def test_zip_holds_the_folder_and_the_tables_as_csv(run, stored):
    stream = io.BytesIO()
    write_zip(stored, stream)
    with zipfile.ZipFile(stream) as archive:
        assert archive.testzip() is None
        for name in FILES:
            assert archive.read(f"{run.id}/{name}") == (stored / name).read_bytes()
        for name, table in run.tables.items():
            assert archive.read(f"{run.id}/{name}.csv") == csv_bytes(table)
        assert len(archive.namelist()) == len(FILES) + len(run.tables)


def test_zip_needs_only_write(stored):
    parts = []
    write_zip(stored, SimpleNamespace(write=parts.append))
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert {f"{stored.name}/{name}" for name in FILES} <= set(archive.namelist())


def test_zip_takes_flat_memory(stored):
    with (stored / "tensors.safetensors").open("r+b") as file:
        file.truncate(128 * 2**20)
    write_zip(stored, Pipe())  # what is imported at first use is not the zip's
    tracemalloc.start()
    try:
        write_zip(stored, Pipe())
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_zip_follows_no_link(stored, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (stored / "image.png").unlink()
    (stored / "image.png").symlink_to(secret)
    stream = io.BytesIO()
    write_zip(stored, stream)
    assert f"{stored.name}/image.png" not in zipfile.ZipFile(stream).namelist()


def test_zip_of_no_run(tmp_path):
    with pytest.raises(StoreError, match="There is no run in"):
        write_zip(tmp_path, Pipe())


def test_zip_of_a_damaged_table(stored):
    (stored / "steps.parquet").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="steps.parquet cannot be read"):
        write_zip(stored, Pipe())


def test_list_of_runs(run, stored):
    table = list_runs(stored.parent)
    assert list(table.columns) == list(COLUMNS)
    row = table.iloc[0]
    assert (row["run"], row["prompt"], row["seed"]) == (run.id, run.experiment.prompt, 2**64 - 1)
    assert (row["model"], row["problem"], row["width"]) == ("embedded", "", 64)
    assert row["created"].tzname() == "UTC"


def test_list_tells_of_broken_folders(stored):
    root = stored.parent
    (root / ("0" * 16)).mkdir()
    (root / ("1" * 16)).mkdir()
    (root / ("1" * 16) / "manifest.json").write_text("{")
    (root / ("2" * 16)).write_text("a file")
    (root / ".hidden").mkdir()
    manifest = json.loads((stored / "manifest.json").read_text())
    (root / ("3" * 16)).mkdir()
    (root / ("3" * 16) / "manifest.json").write_text(json.dumps({**manifest, "model": 5}))
    problems = list_runs(root).set_index("run")["problem"]
    assert problems[stored.name] == ""
    assert "no manifest.json" in problems["0" * 16]
    assert "cannot be read as JSON" in problems["1" * 16]
    assert problems["2" * 16] != ""
    assert problems["3" * 16] != ""
    assert len(problems) == 5


def test_list_tells_of_missing_files(stored):
    (stored / "image.png").unlink()
    assert "lacks image.png" in list_runs(stored.parent)["problem"][0]


def test_list_of_nothing(tmp_path):
    assert list(list_runs(tmp_path / "none").columns) == list(COLUMNS)
    assert len(list_runs(tmp_path)) == 0


def test_export_is_whole_or_not_there(stored, tmp_path):
    out = tmp_path / "out"
    export_run(stored, "zip", out)
    before = (out / f"{stored.name}.zip").read_bytes()
    with file_limit(10_000), pytest.raises(StoreError, match=r"No room to save .*zip in .*out"):
        export_run(stored, "zip", out)
    assert [path.read_bytes() for path in out.iterdir()] == [before]


def test_unknown_kind_of_export(stored, tmp_path):
    with pytest.raises(ValueError, match="Unknown kind of export 'xls'.*Valid: csv, npz, parquet"):
        export_run(stored, "xls", tmp_path)
