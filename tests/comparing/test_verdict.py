"""The verdict says what the tables hold: who is first, by how much, and what is a tie."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sdlab.comparing.comparison import Comparison
from sdlab.comparing.costs import geometric
from sdlab.comparing.entrant import Entrant
from sdlab.comparing.exact import EXACT_MODEL, exact_runs
from sdlab.comparing.significance import enough, holm, levels, paired, resolution, ties
from sdlab.comparing.summary import summarise, table
from sdlab.comparing.target import evaluations_for, reached
from sdlab.comparing.verdict import paired_ratios, verdict
from sdlab.comparing.worth import worth
from tests.comparing.conftest import comparison


def tables(rows, notes=None, ties=(), floor=0.0):
    """Tables of a comparison from (entrant, nfe, error) rows, all steady, at 0.1 s a evaluation."""
    names = list(dict.fromkeys(entrant for entrant, _, _ in rows))
    entrants = [
        {"entrant": name, "deterministic": True, "notes": (notes or {}).get(name, "")}
        for name in names
    ]
    cost = [
        {"entrant": entrant, "budget": nfe, "num_steps": nfe, "nfe": nfe, "seconds": nfe / 10}
        | {"error": error, "low": error / 1.1, "high": error * 1.1, "pictures": 8}
        | {"floor": floor, "pareto": entrant == "a"}
        for entrant, nfe, error in rows
    ]
    runs = [{"entrant": name, "prompt": "p", "seed": 0, "state": "done"} for name in names]
    references = [{"prompt": "p", "seed": 0}]
    found = {"entrants": entrants, "cost": cost, "runs": runs, "references": references}
    found |= {"ties": [{**dict(zip(TOLD, row, strict=True)), "pictures": 8} for row in ties]}
    return {
        name: table(name, found.get(name))
        for name in ("entrants", "cost", "runs", "references", "ties", "quality", "spread")
    }


TOLD = ("a", "b", "ratio", "p", "tied", "open", "least", "enough")
SPEC = Comparison([Entrant("euler"), Entrant("heun")], ["p"], budget=10, align="nfe")
ROWS = [("a", 5, 0.2), ("a", 10, 0.05), ("b", 5, 0.4), ("b", 10, 0.2), ("b", 20, 0.1)]


def test_evaluations_are_interpolated_log_against_log():
    assert evaluations_for([10, 20, 40], [0.4, 0.2, 0.05], 0.1) == pytest.approx(20 * math.sqrt(2))
    assert evaluations_for([10, 20], [0.4, 0.1], 0.1) == 20
    assert evaluations_for([10, 20], [0.04, 0.1], 0.05) == 10
    assert math.isnan(evaluations_for([10, 20], [0.4, 0.1], 0.05))
    assert evaluations_for([10, 20], [0.4, 0.0], 0.1) == 20


def test_who_is_first_and_what_the_others_need():
    said = verdict(SPEC, tables(ROWS), target=0.1)
    assert said[0].startswith("With 10 evaluations each, a comes nearest to the converged picture")
    assert said[1] == (
        "It ends 0.05 standard deviations (95 %: 0.0455 to 0.055) away, on average over 8 pictures"
        " (10 evaluations); then b 0.2."
    )
    assert said[2] == (
        "An error of 0.1 is reached first by a, with about 7 evaluations; b needs about 20 (2.8"
        " times as many)."
    )


def test_equals_are_not_called_one_winner():
    rows = [("a", 10, 0.195203), ("b", 10, 0.195203), ("c", 10, 0.4)]
    assert verdict(SPEC, tables(rows))[0] == (
        "With 10 evaluations each, a and b come equally near to the converged picture;"
        " with 8 pictures that may be luck."
    )
    assert verdict(SPEC, tables(rows[:2]))[0].endswith(
        "a and b come equally near to the converged picture."
    )


def test_who_does_not_get_there_and_who_always_was():
    said = verdict(SPEC, tables(ROWS), target=0.07)
    assert said[2].endswith("with about 8 evaluations. Not reached with what was tried: b.")
    said = verdict(SPEC, tables(ROWS), target=0.01)
    assert said[2] == "None reaches an error of 0.01 within 20 evaluations; they need more."
    said = verdict(SPEC, tables(ROWS), target=0.3)
    assert said[2] == (
        "An error of 0.3 is reached with the fewest evaluations tried by a (5); b needs about 7."
    )


def test_the_fewest_tried_of_one_may_be_more_than_another_needs():
    rows = [("a", 9, 0.05), ("a", 19, 0.01), ("b", 5, 0.2), ("b", 10, 0.05)]
    assert reached(tables(rows), 0.1) == (
        "An error of 0.1 is reached first by b, with about 7 evaluations; a needs at most 9, the"
        " fewest tried."
    )
    with pytest.raises(ValueError, match="target must be above 0, got 0"):
        reached(tables(rows), 0)


def test_who_made_fewer_pictures_is_not_ranked():
    found = tables(ROWS, ties=[("a", "b", 0.25, 0.001, False, False, 1.5, math.nan)])
    found["cost"].loc[found["cost"]["entrant"] == "a", "pictures"] = 1
    said = verdict(SPEC, found)
    assert said[0].startswith("b ends 0.2 standard deviations")
    assert (
        "Not ranked, as others made more pictures: a at 5 evaluations (1 picture) and a at 10"
        " evaluations (1 picture)."
    ) in said
    assert "luck" not in " ".join(said)


def test_a_picture_that_one_did_not_make_keeps_it_off_the_front_and_out_of_the_slopes(mixture):
    spec = comparison("euler", "heun", seeds=range(2), budget=4, more_budgets=[8, 16])
    runs = dict(exact_runs(spec, mixture))
    cells = [cell for cell in spec.cells(EXACT_MODEL.config) if cell.budget == 16]
    runs.pop(next(c.experiment.id for c in cells if (c.entrant, c.seed) == ("heun", 1)))
    result = summarise(spec, runs, EXACT_MODEL)
    cost = result.cost.set_index(["entrant", "budget"])
    assert cost.loc[("heun", 16), "pictures"] == 1 and not cost.loc[("heun", 16), "pareto"]
    assert cost.loc[("euler", 16), "pareto"]
    points = result.slopes.set_index("entrant")["points"]
    assert (points["euler"], points["heun"]) == (3, 2)
    assert "heun at 31 evaluations (1 picture)" in " ".join(result.verdict)


def test_no_useless_run_is_praised_for_being_quick():
    found = tables([("a", 2, 3.0), ("a", 10, 0.05)])
    assert "than a with 10 evaluations (1 s, 0.05)." in " ".join(verdict(SPEC, found))


def test_the_paired_ratio_is_told_from_either_side():
    for a, b, ratio, low, high in (("a", "b", 0.4, 0.2, 0.8), ("b", "a", 2.5, 1.25, 5.0)):
        found = tables(ROWS, ties=[(a, b, ratio, 0.017, False, False, 1.5, math.nan)])
        found["ties"] = found["ties"].assign(low=low, high=high)
        (said,) = paired_ratios(SPEC, found)
        assert "a ends 2.5 times nearer than b (95 %: 1.25 to 5, p = 0.017). Bars" in said
    assert paired_ratios(SPEC, tables(ROWS)) == []


def test_ties_are_named_with_ratio_and_p():
    ties = [("b", "a", 1.1, 0.2, True, False, 1.2, 40)]
    said = " ".join(verdict(SPEC, tables(ROWS, ties=ties)))
    assert (
        "Statistically tied with a, to within a factor of 1.5: b (1.1 times its distance, p = 0.2)."
        in said
    )
    assert "converged picture; b is about as near." in said and "cannot be told" not in said
    ties = [("a", "b", 0.25, 0.1, False, True, 5.2, 11)]
    said = " ".join(verdict(SPEC, tables(ROWS, ties=ties)))
    assert "picture; 8 pictures cannot tell whether b is as near. It ends" in said
    assert "then b 0.2. With 8 pictures it" in said
    assert (
        "cannot be told whether a is nearer than b (4 times its distance, p = 0.1; a difference"
        " would show only above 5.2 times or with about 11 pictures)."
    ) in said
    assert "tied" not in said
    ties = [("a", "b", 0.25, 0.001, False, False, 1.5, math.nan)]
    said = verdict(SPEC, tables(ROWS, ties=ties))
    assert said[0].endswith(" comes nearest to the converged picture, and by more than luck.")
    assert "All others are farther from it than a, by more than luck" in " ".join(said)


def test_an_unconverged_reference_and_unfair_entrants_are_told():
    said = " ".join(verdict(SPEC, tables(ROWS, notes={"b": "Starts late."}, floor=0.006)))
    assert "about 0.006, is more than a tenth of the error of a at 10 evaluations:" in said
    assert "Not ranked, and to be compared with care: b (0.2 away). Starts late." in said
    assert "with care" not in " ".join(verdict(SPEC, tables(ROWS)))


def test_one_picture_is_luck(mixture):
    spec = comparison("euler", "heun", seeds=[0], budget=4, reference_steps=8)
    said = summarise(spec, exact_runs(spec, mixture), EXACT_MODEL).verdict
    assert said[0].endswith("; with 1 picture that may be luck.") and len(said[0]) < 120
    assert "Add seeds or prompts: with one picture luck cannot be told from skill." in said


def test_noise_is_not_ranked_by_distance(mixture):
    spec = comparison("euler_ancestral", "dpmpp_sde", budget=4, reference_steps=8)
    said = summarise(spec, exact_runs(spec, mixture), EXACT_MODEL).verdict
    assert not [sentence for sentence in said if "comes nearest" in sentence]
    assert said[0].startswith(
        "euler_ancestral and dpmpp_sde are not ranked by distance: stochastic samplers are allowed"
    )


def test_a_lack_of_references_is_told_with_its_reason(mixture):
    spec = comparison("euler", "heun", seeds=[0], budget=4, reference_steps=8)
    runs = dict(exact_runs(spec, mixture))
    runs[spec.references()[0].fine.id] = RuntimeError("no room.")
    result = summarise(spec, runs, EXACT_MODEL)
    assert "The reference of 1 of 1 picture is not done (no room)" in " ".join(result.verdict)
    assert result.runs["distance"].isna().all() and len(result.pairs) == 4


def test_the_interval_is_students():
    values = [0.1, 0.2, 0.15, 0.3]
    middle, low, high = geometric(values)
    interval = stats.t.interval(0.95, 3, np.log(values).mean(), stats.sem(np.log(values)))
    assert (low, high) == pytest.approx(tuple(np.exp(interval)))
    assert middle == pytest.approx(stats.gmean(values))
    assert all(math.isnan(x) for x in geometric([]))
    assert math.isnan(geometric([0.1])[1])


def test_holm_corrects_as_published():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_equal_pictures_are_tied_and_always_the_same_ratio_is_no_luck():
    assert paired(np.zeros(3)) == 1.0
    assert paired(np.full(3, 0.5)) == 0.0
    assert math.isnan(paired(np.array([0.1, 0.2])))
    ratios = np.array([0.1, 0.3, 0.2, 0.4])
    assert paired(ratios) == pytest.approx(stats.ttest_rel(ratios, np.zeros(4)).pvalue)


def test_luck_alone_seldom_makes_a_winner():
    rng = np.random.default_rng(0)
    found = [paired(rng.normal(size=6)) < 0.05 for _ in range(400)]
    assert 0.02 < np.mean(found) < 0.09


def test_the_first_sentence_names_at_most_three_sorts_of_others():
    rows = [*ROWS, ("c", 10, 0.06), ("d", 10, 0.3)]
    others = [
        ("a", "b", 0.8, 0.3, False, True, 2.0, 20),
        ("a", "c", 0.9, 0.4, True, False, 1.2, 40),
        ("a", "d", 0.2, 0.001, False, False, 1.5, math.nan),
    ]
    said = verdict(SPEC, tables(rows, ties=others))
    assert said[0] == (
        "With 10 evaluations each, a comes nearest to the converged picture; c is about as near,"
        " 8 pictures cannot tell whether b is as near and the rest is farther off by more than"
        " luck."
    )


def test_who_has_an_objection_standing_is_never_the_winner():
    found = tables(ROWS, notes={"a": "Ends early."})
    said = verdict(SPEC, found, target=0.1)
    assert said[0] == (
        "b ends 0.2 standard deviations (95 %: 0.182 to 0.22) from the converged picture at 10"
        " evaluations."
    )
    assert said[1] == "Not ranked, and to be compared with care: a (0.05 away). Ends early."
    assert said[2].startswith("An error of 0.1 is reached first by b")
    assert said[3] == (
        "Not ranked: An error of 0.1 is reached first by a, with about 7 evaluations."
    )
    assert not any("than a with" in sentence for sentence in said)
    both = " ".join(verdict(SPEC, tables(ROWS, notes={"a": "Ends early.", "b": "Starts late."})))
    assert "none is called the nearest to the converged picture: a 0.05 and b 0.2." in both
    assert "With care: An error of" in both and "comes nearest" not in both


def of_pictures(*ratios):
    """The ties of two samplers whose distances have these ratios, one a picture."""
    spec = Comparison([Entrant("euler"), Entrant("heun")], ["p"], range(len(ratios)), budget=10)
    rows = [
        {"entrant": name, "prompt": "p", "seed": seed, "budget": 10, "distance": 0.1 * ratio}
        for seed, share in enumerate(ratios)
        for name, ratio in (("euler", 1.0), ("heun", share))
    ]
    (row,) = ties(spec, pd.DataFrame(rows), ("euler", "heun"))
    return row


def test_what_three_scattered_pictures_cannot_tell_is_open_and_no_tie():
    row = of_pictures(1.5, 3.0, 8.0)
    assert 1 / row["ratio"] == pytest.approx(3.302, rel=1e-3)
    assert row["p"] > 0.05 and row["open"] and not row["tied"]
    logs = np.log([1.5, 3.0, 8.0])
    least = math.exp(stats.t.ppf(0.975, 2) * stats.sem(logs))
    assert row["least"] == pytest.approx(least) and least > 1 / row["ratio"]
    low, high = np.exp(stats.t.interval(0.95, 2, -logs.mean(), stats.sem(logs)))
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    more = of_pictures(*[1.5, 3.0, 8.0] * 3)
    assert not more["open"] and not more["tied"] and more["p"] < 0.05
    assert 3 < row["enough"] <= 9


def test_a_tie_is_told_only_of_a_narrow_interval():
    narrow = of_pictures(1.05, 0.96, 1.02, 0.99)
    assert narrow["tied"] and not narrow["open"] and narrow["p"] > 0.05
    wide = of_pictures(3.0, 0.4, 0.7, 1.3)
    assert wide["open"] and not wide["tied"]
    equal = of_pictures(1.0, 1.0, 1.0)
    assert equal["tied"] and equal["p"] == 1.0 and math.isnan(equal["enough"])
    hardly = of_pictures(1.004, 1.005, 1.006)  # sure, and of no consequence
    assert hardly["tied"] and hardly["p"] < 0.05


def test_a_difference_shows_exactly_above_the_level_that_holm_reaches():
    rng = np.random.default_rng(1)
    for _ in range(200):
        raw = (rng.uniform(size=5) ** 3 / 10).tolist()
        shown = [p < level for p, level in zip(raw, levels(raw), strict=True)]
        assert shown == [p < 0.05 for p in holm(raw)]
    assert levels([0.001, 0.5, 0.4]) == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2])


def test_how_many_pictures_would_do_agrees_with_the_test():
    count = enough(0.5, 1.0, 0.05)
    assert stats.t.ppf(0.975, count - 1) / math.sqrt(count) < 0.5
    assert stats.t.ppf(0.975, count - 2) / math.sqrt(count - 1) >= 0.5
    assert math.isnan(enough(0.0, 1.0, 0.05))
    assert resolution(3, 2) == pytest.approx(stats.t.ppf(0.975, 2) / math.sqrt(3))
    assert resolution(3, 6) > 9 > resolution(8, 6) > 1
    assert math.isinf(resolution(2, 6)) and math.isinf(resolution(9, 1))


def test_a_second_evaluation_a_step_is_weighed_where_evaluations_are_equal():
    surely = [("a", "b", 0.25, 0.01, False, False, 2.0, math.nan)]
    found = tables([("a", 10, 0.05), ("b", 10, 0.2)], ties=surely)
    found["cost"].loc[found["cost"]["entrant"] == "b", "num_steps"] = 5
    assert worth(SPEC, found) == [
        "b asks more than once a step: 5 steps take 10 evaluations. Against a, which makes 10 steps"
        " of about as many, it ends 4.0 times farther away: not worth it here."
    ]
    found["cost"]["error"] = [0.2, 0.05]
    assert worth(SPEC, found)[0].endswith("it ends 4.0 times nearer: worth it here.")
    assert worth(SPEC.with_(align="steps"), found) == []


@pytest.mark.parametrize(("p", "told"), [(0.28, " (p = 0.28)"), (math.nan, "")])
def test_what_may_be_luck_is_not_called_worth_it_or_not(p, told):
    perhaps = [("a", "b", 0.25, p, False, True, 9.0, 20.0)]
    found = tables([("a", 10, 0.05), ("b", 10, 0.2)], ties=perhaps)
    found["cost"].loc[found["cost"]["entrant"] == "b", "num_steps"] = 5
    (said,) = worth(SPEC, found)
    assert said.endswith(
        f"4.0 times farther away, which may be luck{told}: more pictures would tell whether it is"
        " worth it."
    )


def test_the_fewest_evaluations_are_held_against_the_most():
    spec = SPEC.with_(more_budgets=(50,))
    found = tables([("a", 10, 0.2), ("b", 10, 0.4), ("a", 50, 0.03), ("b", 50, 0.02)])
    share = {"entrant": "a", "budget": 10, "what": "all", "share": 0.75}
    found["quality"] = table("quality", [share])
    assert worth(spec, found) == [
        "With 10 evaluations the nearest is a, 0.2 standard deviations away (75% of the prompt's"
        " statements hold); with 50 it is b, 0.02. So 10 lose a factor of 10 against 50."
    ]
