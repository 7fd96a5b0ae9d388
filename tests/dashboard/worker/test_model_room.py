"""Which models go when another is to be loaded."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from dashboard.worker.model_room import ModelRoom
from dashboard.worker.snapshots import ModelRequest

GIB = 2**30
SIZES = {"a": 2 * GIB, "b": 3 * GIB, "c": 4 * GIB, "large": 40 * GIB}


@dataclass(frozen=True)
class Held:
    name: str

    @property
    def view(self):
        return SimpleNamespace(memory_bytes=SIZES[self.name], device="cpu")


def names(gone):
    return None if gone is None else [one.name for one in gone]


@pytest.mark.parametrize(
    ("held", "wanted", "models", "gib", "busy", "gone"),
    [
        ("", "a", 2, 8, "", ""),
        ("a", "b", 2, 8, "", ""),
        ("a", "b", 2, 4, "", "a"),
        ("ab", "c", 2, 100, "", "a"),
        ("ab", "c", 3, 100, "", ""),
        ("ab", "c", 2, 100, "a", "b"),
        ("ab", "c", 2, 100, "ab", None),
        ("ab", "c", 3, 6, "", "ab"),
        ("ab", "large", 3, 8, "", "ab"),
        ("a", "unknown", 2, 100, "", "a"),
        ("a", "unknown", 2, 100, "a", None),
        ("ab", "a", 2, 8, "", "a"),
        ("ab", "a", 2, 8, "a", None),
        ("", "large", 2, 8, "", ""),
    ],
)
def test_the_least_used_that_nothing_is_on_goes(held, wanted, models, gib, busy, gone):
    room = ModelRoom(models, gib * GIB, lambda request: SIZES.get(request.source))
    found = room.in_the_way(
        ModelRequest(wanted), [Held(name) for name in held], lambda one: one.name in busy
    )
    assert names(found) == (None if gone is None else list(gone))


@pytest.mark.parametrize(
    ("held", "gib", "busy", "gone"),
    [("ab", 8, "", ""), ("ab", 4, "", "a"), ("ab", 4, "a", ""), ("abc", 5, "", "ab")],
)
def test_what_was_measured_to_be_too_much_goes(held, gib, busy, gone):
    room = ModelRoom(3, gib * GIB)
    found = room.too_much([Held(name) for name in held], lambda one: one.name in busy)
    assert names(found) == list(gone)


def test_the_disk_tells_what_was_never_loaded(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(bytes(GIB // 2**10))
    room = ModelRoom(2, SIZES["a"] + GIB // 2**9)
    assert room.in_the_way(ModelRequest(str(tmp_path)), [Held("a")], lambda one: False) == []
    less = ModelRoom(2, SIZES["a"] + GIB // 2**9 - 1)
    assert names(less.in_the_way(ModelRequest(str(tmp_path)), [Held("a")], lambda one: False))


def test_half_of_the_memory_is_for_models_where_nothing_is_set():
    import psutil

    SIZES["fits"] = psutil.virtual_memory().total // 2 - SIZES["a"]
    SIZES["does not"] = SIZES["fits"] + 1
    room = ModelRoom(measured=lambda request: SIZES[request.source])
    assert room.in_the_way(ModelRequest("fits"), [Held("a")], lambda one: False) == []
    assert room.in_the_way(ModelRequest("does not"), [Held("a")], lambda one: False)
