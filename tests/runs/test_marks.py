"""Stars, tags and notes lie in the run's folder, and stay when the run is made again."""

import io
import zipfile

import pytest

import sdlab
from sdlab.errors import StoreError
from sdlab.runs.export import write_zip
from sdlab.runs.marks import LIMIT, MARKS, MAX_NOTE, MAX_TAG, MAX_TAGS, Marks, mark, read_marks
from tests.runs.conftest import file_limit


def test_marks_are_kept(run, stored):
    root = stored.parent
    assert read_marks(stored) == Marks()
    mark(root, [run.id], star=True, add=["b", " a "], note="夜\nsecond line")
    mark(root, [run.id], add=["c"], remove=["b", "unknown"])
    assert read_marks(stored) == Marks(True, ("a", "c"), "夜\nsecond line")
    mark(root, [run.id], star=False, note="")
    assert read_marks(stored) == Marks(False, ("a", "c"))
    run.save(root)
    assert read_marks(stored).tags == ("a", "c")
    assert sdlab.open_run(stored).id == run.id
    stream = io.BytesIO()
    write_zip(stored, stream)
    assert f"{run.id}/{MARKS}" in zipfile.ZipFile(stream).namelist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"add": ["a,b"]}, "without commas"),
        ({"add": [" "]}, "1 to 60 letters"),
        ({"add": ["a" * (MAX_TAG + 1)]}, "1 to 60 letters"),
        ({"add": ["\x00"]}, "control character"),
        ({"add": [str(n) for n in range(MAX_TAGS + 1)]}, "at most 50 tags; these are 51"),
        ({"note": "a" * (MAX_NOTE + 1)}, "at most 10,000 characters; this one has 10,001"),
        ({"star": "yes"}, "star must be True or False"),
    ],
)
def test_what_cannot_be_noted_is_refused(run, stored, changes, message):
    with pytest.raises(ValueError, match=message):
        mark(stored.parent, [run.id], **changes)
    assert not (stored / MARKS).exists()


def test_the_longest_marks_can_be_read_again(run, stored):
    tags = tuple(f"{n:02}" + "\U0001f600" * (MAX_TAG - 2) for n in range(MAX_TAGS))
    longest = Marks(True, tags, "\U0001f600" * MAX_NOTE)
    mark(stored.parent, [run.id], star=True, add=tags, note=longest.note)
    assert read_marks(stored) == longest and (stored / MARKS).stat().st_size < LIMIT


@pytest.mark.parametrize("text", ["{", "[]", '{"star": 1, "tags": [], "note": ""}', "[" * 9999])
def test_damaged_marks_are_named_and_the_run_is_listed(run, stored, text):
    (stored / MARKS).write_text(text)
    row = sdlab.runs(stored.parent).iloc[0]
    assert (row["problem"], row["tags"], bool(row["star"])) == ("", "", False)
    with pytest.raises(StoreError, match="marks.json cannot be read.*Delete it"):
        mark(stored.parent, [run.id], star=True)
    assert (stored / MARKS).read_text() == text


def test_marks_of_no_run(stored):
    with pytest.raises(StoreError, match="No run 0000000000000000 is stored"):
        mark(stored.parent, ["0" * 16], star=True)
    with pytest.raises(StoreError, match="is no run id"):
        mark(stored.parent, ["../x"], star=True)


def test_marks_are_written_whole_or_not(run, stored):
    mark(stored.parent, [run.id], note="before")
    with file_limit(100), pytest.raises(StoreError, match=r"No room to save marks\.json"):
        mark(stored.parent, [run.id], note="a" * 1000)
    assert read_marks(stored).note == "before"
    assert not [path for path in stored.iterdir() if path.name.startswith(".")]
