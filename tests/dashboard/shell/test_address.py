"""Hostile addresses: every field of every page is handed what it cannot hold."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import MAIN, read
from tests.zoo.chosen import cases

PAGES = sorted(path.stem for path in (MAIN.parents[2] / "pages").glob("*.py"))
FIELDS = (
    "number_input", "slider", "selectbox", "button_group", "multiselect", "select_slider",
    "text_input", "text_area", "toggle",
)  # fmt: skip
WHERE = ("section", "of", "way", "from", "kept")  # what decides which other fields there are
MARKUP = "<script>alert(1)</script> [a](javascript:b) $x$ \x00 🦜 ../../etc {[("
LONG = "x" * 700
HOSTILE = {
    "number_input": ("1e999", "nan", "9" * 400),
    "slider": ("1e999", "nan", ""),
    "toggle": ("perhaps", "", MARKUP),
    "text_input": (MARKUP, LONG, "1e999"),
    "text_area": (MARKUP, LONG, ""),
}
NO_CHOICE = ("", "no such thing", MARKUP)
ROUNDS = len(NO_CHOICE)
QUICK = {"noised_images": {"noised.steps": "2"}}  # by default its strips take seconds


def fields(at: AppTest) -> dict[str, str]:
    """The parameters of a page's address, each with the kind of its field, as the page has them."""
    found = {}
    for kind in FIELDS:
        for field in at.get(kind):
            if name := getattr(field.proto, "query_param_key", ""):
                found[name] = kind
    return found


def hostile(found: dict[str, str], number: int) -> dict[str, str]:
    """An address in which every parameter is wrong, each in another way in each of the rounds."""
    wrong = [HOSTILE.get(kind, NO_CHOICE) for kind in found.values()]
    return {name: wrong[n][(n + number) % ROUNDS] for n, name in enumerate(found)}


def healthy(at: AppTest, given: dict[str, str]) -> None:
    assert not at.exception, (given, [e.value for e in at.exception])
    said = [read(e) for e in (*at.error, *at.warning, *at.info)]
    assert not [text for text in said if "Something broke" in text], (given, said)
    assert not [text for text in said if any(len(word) > 500 for word in text.split())], given


def in_rounds(open_page, page: str, rounds: range, held: dict[str, str]) -> None:
    every = fields(open_page(page, **held))
    for number in rounds:
        given = hostile(every, number) | dict.fromkeys(("run", "id"), NO_CHOICE[number % ROUNDS])
        given |= held
        healthy(open_page(page, **given), given)


# These open slowest, and have the same kinds of fields as others.
SLOW = {"attention", "noised_images", "tokens", "workbench"}


@pytest.mark.parametrize("page", cases(PAGES, set(PAGES) - SLOW))
def test_no_address_breaks_a_page(open_page, page):
    in_rounds(open_page, page, range(1, 2), QUICK.get(page, {}))


@pytest.mark.every
@pytest.mark.parametrize("page", PAGES)
def test_nor_does_any_of_the_other_rounds(open_page, page):
    first = 1 if page in QUICK else 2
    in_rounds(open_page, page, range(first, ROUNDS + 1), {})


@pytest.mark.parametrize("page", cases(PAGES, set(PAGES) - {"noised_images", "latents"}))
@pytest.mark.every
def test_no_address_breaks_what_a_page_shows_only_if_chosen(open_page, page):
    number = 0
    for choice in open_page(page).get("button_group"):
        name = choice.proto.query_param_key
        if name.rpartition(".")[2] not in WHERE:
            continue
        for option in choice.proto.options[1:]:
            number += 1
            here = {name: option.content}
            more = {k: v for k, v in fields(open_page(page, **here)).items() if k != name}
            given = here | hostile(more, number % ROUNDS)
            healthy(open_page(page, **given), given)


@pytest.mark.parametrize(
    ("page", "field", "value", "said"),
    [
        ("experiment", "experiment.steps", "1e999", "is no whole number from 1 to 1000"),
        ("experiment", "experiment.steps", "2.5", "is no whole number from 1 to 1000"),
        ("experiment", "experiment.steps", "-3", "is no whole number from 1 to 1000"),
        ("experiment", "experiment.steps", "99999999", "is no whole number from 1 to 1000"),
        ("experiment", "experiment.cfg", "nan", "is no number from 0.0 to 20.0"),
        ("experiment", "experiment.solver", "NoSuchScheduler", "NoSuchScheduler"),
        ("experiment", "experiment.cfg", "21", "is no number from 0.0 to 20.0"),
        ("experiment", "experiment.solver", "eula", "did you mean 'Euler"),
        ("experiment", "experiment.model", "evil/model", "valid: embedded"),
        ("ddim", "ddim.section", "", "valid: Eta, There and back"),
        ("tokens", "tokens.cosines_all", "2", "must be true or false"),
        ("solver_bench", "bench.steps", "3", "is not to be chosen here"),
    ],
)
def test_what_an_address_cannot_hold_is_said_and_the_default_holds(
    open_page, page, field, value, said
):
    def held(at):
        kind = fields(at)[field]
        kind = "segmented_control" if kind == "button_group" else kind
        return next(f.value for f in getattr(at, kind) if f.key == field)

    at = open_page(page, **{field: value})
    (note,) = [read(w) for w in at.warning if "in the address of this page" in w.value]
    assert note.startswith(f"{field} {value!r}") and said in note
    assert held(at) == held(open_page(page)) and field not in at.query_params


@pytest.mark.parametrize(
    ("page", "key"),
    [
        ("compare", "compare.samplers"),
        ("noise_schedules", "schedules.rows"),
        ("solver_bench", "bench.solvers"),
    ],
)
def test_enter_takes_the_nearest_match_and_not_all(open_page, page, key):
    box = open_page(page).multiselect(key=key)
    assert box.proto.select_all == 0  # no "Select all" above the matches


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("experiment.prompt", "a\x01b", "control character"),
        ("experiment.seed", "1e3", "whole number"),
        ("experiment.seed", "-5", "from 0"),
        ("experiment.width", "130", "multiple of 8"),
    ],
)
def test_what_no_run_can_have_is_explained_and_does_not_run(open_page, field, value, message):
    at = open_page("experiment", **{field: value})
    assert any(message in read(error) for error in at.error)
    assert at.button(key="experiment.go").disabled


def test_the_rest_of_the_address_holds_and_a_note_goes_with_the_next_choice(open_page):
    given = {"experiment.prompt": "1e999", "experiment.seed": "8", "experiment.negative": ""}
    at = open_page("experiment", **given, **{"experiment.steps": "nan", "experiment.cfg": "1e999"})
    assert at.text_area(key="experiment.prompt").value == "1e999"
    assert at.text_input(key="experiment.seed").value == "8"
    assert len(read(at.warning[0]).split("The default is used instead.")) == 3
    at.run()
    assert "experiment.steps" in read(at.warning[0])
    at.number_input(key="experiment.steps").set_value(5).run()
    at.number_input(key="experiment.cfg").set_value(5.0).run()
    assert not at.run().warning
    assert at.number_input(key="experiment.steps").value == 5


def test_one_place_binds_fields_to_the_address():
    binding = [p.name for p in MAIN.parent.rglob("*.py") if '"query-params"' in p.read_text()]
    assert binding == ["address.py"]


def test_a_page_writes_its_address_only_where_it_changes(open_page, monkeypatch):
    """A write takes back what a field wrote into the address since the script began."""
    from streamlit.runtime.state.query_params import QueryParams

    shown = {"experiment": "run", "attention": "run", "compare": "id"}
    pages = [open_page(page, **{name: "0" * 16}) for page, name in shown.items()]
    written = []
    monkeypatch.setattr(QueryParams, "_send_query_param_msg", lambda it: written.append(str(it)))
    for at in pages:
        at.run()
    assert not written
