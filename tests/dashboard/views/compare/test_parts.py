"""The Compare page's parts by themselves: texts of samplers, names, notes, files."""

import json
import os
from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

from dashboard.charts import compare_tables
from dashboard.views.compare import asked_comparisons as notes
from dashboard.views.compare.forecast import power
from dashboard.views.compare.form import COUNTED, DEFAULTS, as_parameters
from dashboard.views.compare.result import ranked
from dashboard.views.compare.rows import FIRST, entrant_of, text_of, whole_numbers
from dashboard.views.compare.viewer import opening
from dashboard.widgets.pipeline_controls import address_of
from dashboard.widgets.typed import parse_options
from dashboard.worker.owned import OwnedThings
from sdlab.comparing.comparison import Comparison
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.fairness import profile
from sdlab.comparing.needed_runs import NeededRuns
from sdlab.comparing.significance import PICTURES, resolution
from sdlab.errors import StoreError
from sdlab.experiment.picture import Picture
from sdlab.reproducing.snippet import comparison_snippet
from sdlab.sampler_names import short_names
from tests.dashboard.compare_tables import comparison_tables

# Texts, numbers, reductions.


@pytest.mark.parametrize(
    "text",
    ["heun", "heun + karras [rho=5]", "ddim {eta=0.5}", "mine: euler + exponential", "A+B: heun"]
    + ["DPM++ 2M Karras", "Euler a", "UniPC"],
)
def test_a_text_and_its_entrant_are_one(text):
    entrant = entrant_of(text)
    assert entrant_of(text_of(entrant)) == entrant
    assert text_of(entrant) == text


def test_an_unknown_sampler_is_refused_by_name():
    with pytest.raises(ValueError, match="hoin"):
        entrant_of("hoin + karras")


@pytest.mark.parametrize(
    "text, numbers",
    [("0-3, 7", (0, 1, 2, 3, 7)), ("5 10;20", (5, 10, 20)), ("1 - 2", (1, 2)), ("", ())],
)
def test_numbers_and_ranges(text, numbers):
    assert whole_numbers(text, "seeds") == numbers


@pytest.mark.parametrize(
    "text, said", [("x", "got 'x'"), ("3-1", "runs backwards"), ("0-999", "at most 200")]
)
def test_what_is_no_range_is_refused(text, said):
    with pytest.raises(ValueError, match=f"seeds.*{said}"):
        whole_numbers(text, "seeds")


def test_names_are_short_where_they_stay_different():
    found = short_names(["DDIMScheduler", "EulerDiscreteScheduler", "euler", "Euler"])
    assert list(found.values()) == ["DDIM", "EulerDiscreteScheduler", "euler", "Euler"]


def test_distances_are_meaned_geometrically_over_pictures():
    steps = comparison_tables()["steps"]
    steps = steps[(steps["entrant"] == "euler") & (steps["evaluation"] == 5)]
    steps = steps.assign(x0_to_end=[0.1, 0.1, 1.0, 1.0], x_t_std=[1.0, 1.0, 2.0, 2.0])
    row = compare_tables.over_pictures(steps).iloc[0]
    assert row["x0_to_end"] == pytest.approx(0.1**0.5) and row["x_t_std"] == 1.5


def test_many_rows_are_thinned_but_keep_their_ends():
    steps = comparison_tables()["steps"]
    steps = steps[(steps["prompt"] == "a sun") & (steps["seed"] == 0)]
    thin = compare_tables.thinned(steps, 40)
    assert len(thin) <= 48
    ends = steps.groupby("entrant")["evaluation"].max()
    assert (thin.groupby("entrant")["evaluation"].max() == ends).all()


def test_what_so_many_pictures_can_tell_is_said_before_they_are_made():
    four = tuple(map(Entrant, ("euler", "heun", "ddim", "euler_ancestral")))
    said = power(Comparison(four, ("a sun",), tuple(range(3))))
    three, eight = resolution(3, 3), resolution(8, 3)
    assert f"between pictures: {three:.2g} with 3 pictures, " in said
    assert f"{eight:.2g} with 8 pictures." in said and three > 3 * eight
    few = power(Comparison(four, ("a sun",), (0, 1)))
    assert few.startswith("Fewer than 3 pictures cannot tell a difference from luck. ")
    assert "with 2" not in few and "with 16 pictures" in few
    assert power(Comparison(four[2:], ("a sun",))) == ""


def test_nothing_stands_against_the_samplers_of_the_untouched_form(model):
    entrants = tuple(map(Entrant, FIRST))
    seeds = whole_numbers(DEFAULTS["seeds"], "seeds")
    align = COUNTED[DEFAULTS["align"]]
    comparison = Comparison(entrants, ("a sun",), seeds, align=align, curve=DEFAULTS["curve"])
    assert align == "nfe" and len(comparison.pictures) >= PICTURES
    for entrant in entrants:
        assert entrant.follows(comparison.curve) == comparison.curve
        found = profile(comparison, entrant, model.config)
        assert found.deterministic and not found.notes, entrant.label


def test_two_samplers_are_shown_against_each_other_and_not_the_reference():
    assert opening(["reference", "heun", "euler", "ddim", "lcm"], 4) == (1, 3)
    assert opening(["reference", "heun", "euler", "lcm"], 2) == (1, 2)  # one is ranked
    assert opening(["heun", "euler"], 2) == (0, 1)
    assert opening(["reference", "heun"], 2) == (1, 0)
    two = ["reference", "heun", "lcm", "heun, 5 steps", "lcm, 5 steps"]
    assert opening(two, 2, ["lcm", "heun"]) == (2, 1)  # those that were chosen


def test_who_has_a_note_stands_beside_the_order_of_a_picture():
    class Found:
        tables = comparison_tables()

    entrants = Found.tables["entrants"]
    entrants.loc[entrants["entrant"] == "heun", "notes"] = "Ends early."
    rows = ranked(Found(), "a sun", 0, 20)
    assert list(rows["entrant"]) == ["dpmpp_2m", "euler", "heun", "euler_ancestral"]
    assert rows["rank"].tolist()[:2] == [1, 2] and rows["rank"].isna().tolist()[2:] == [True] * 2


# Behind the page.


def test_what_was_asked_for_is_found_again(model, tmp_path, runs_folder):
    comparison = Comparison((Entrant("euler"), Entrant("heun")), ("a sun",), (0, 1), 2, (3,))
    needed = NeededRuns.of(comparison, model)
    experiments = notes.in_turn(needed)
    assert len(experiments) == 2 * 2 * 2 + 4
    assert [e.num_steps for e in experiments] == [100, 50] * 2 + [2] * 4 + [3] * 4
    assert [e.seed for e in experiments[4:8]] == [0, 0, 1, 1]  # the first picture's tiles first
    path = tmp_path / ".dashboard" / notes.FOLDER / f"{needed.id}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notes._to_dict(needed, mix=False), default=str))
    found = notes.asked(tmp_path, needed.id)
    assert found.comparison == comparison and found.cells == needed.cells
    assert found.model.hash == model.hash and dict(found.model.config) == dict(model.config)
    assert not notes.may_share(tmp_path, needed.id)
    path.write_text("{}")
    os.utime(path, (1, 1))
    assert notes.may_share(tmp_path, needed.id)  # as all did when nothing was noted
    with pytest.raises(StoreError, match="Compare again"):
        notes.asked(tmp_path, needed.id)


def test_a_comparison_that_is_nobodys_stays_so_whoever_asks(model, tmp_path):
    owned = OwnedThings(tmp_path, lambda who: False)
    asked = SimpleNamespace(claim=lambda *what: None)
    worker = SimpleNamespace(
        runs=tmp_path, owned=owned, asked_runs=asked, submit=lambda *run, **how: None
    )
    old, new, resulted = (
        NeededRuns.of(Comparison((Entrant("euler"),), ("a sun",), (seed,), 2), model)
        for seed in range(3)
    )
    notes.ask(worker, old)  # without login
    (tmp_path / ".comparisons" / resulted.id).mkdir(parents=True)  # on the command line
    for needed in (old, new, resulted):
        notes.ask(worker, needed, owner="eve")
    notes.ask(worker, new, owner="anna")
    assert owned.all_owners("comparison") == {new.id: ("anna", "eve")}


def test_the_nearest_comes_first_and_who_draws_noise_after(model):
    tables = comparison_tables()

    class Found:
        pass

    found = Found()
    found.tables = tables
    rows = ranked(found, "a sun", 0, 20)
    assert list(rows["entrant"]) == ["heun", "dpmpp_2m", "euler", "euler_ancestral"]
    assert rows["rank"].tolist()[:3] == [1, 2, 3] and pd.isna(rows["rank"].iloc[3])


def test_the_python_makes_the_same_comparison():
    comparison = Comparison(
        (
            Entrant("heun"),
            Entrant("ddim", eta=0.5, curve="karras"),
            Entrant("euler_ancestral", eta=0.0),
            Entrant("lms", curve="karras", label="lms"),
        ),
        ("a sun",),
        (1, 2),
        8,
        (4,),
    )
    said = {}
    code = comparison_snippet(comparison).partition("result = compare(\n    model,")[2]
    code = "made(" + code.partition("print")[0]
    exec(code, {"made": lambda **fields: said.update(fields), "Entrant": Entrant})
    entrants = tuple(Entrant(e) if isinstance(e, str) else e for e in said.pop("entrants"))
    assert Comparison(entrants, **said) == comparison


def test_the_address_of_a_comparison_holds_its_further_fields():
    picture = Picture.of(Image.new("RGB", (16, 8), "red"))
    comparison = Comparison(
        ("heun",), ("a sun",), image=picture, strength=0.5, prompt_2="two",
        max_sequence_length=77, pipeline_options={"clip_skip": 1, "word": "a"},
    )  # fmt: skip
    found = as_parameters("compare", comparison)
    further = {name: found[f"compare.{name}"] for name in ("image", "strength", "prompt_2")}
    assert further == {"image": picture.hash, "strength": "0.5", "prompt_2": "two"}
    assert found["compare.max_sequence_length"] == "77" and found["compare.fit"] == "false"
    options = parse_options(found["compare.pipeline_options"])
    assert options == dict(comparison.pipeline_options)
    assert not address_of(Comparison(("heun",), ("a sun",)))
