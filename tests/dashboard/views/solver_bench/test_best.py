"""Who is best for so many evaluations, whether a second one a step is worth it, what fewer lose."""

import pandas as pd

from dashboard.views.solver_bench.best import best, fewer, second


def rows(*entries):
    return pd.DataFrame(entries, columns=["solver", "num_steps", "nfe", "error"])


FOUND = rows(("unipc", 10, 10, 0.01), ("heun", 5, 9, 0.04), ("euler", 10, 10, 0.2))


def test_the_best_is_named_with_its_error():
    said = "**Best at 10 evaluations: unipc**, error 0.01; then heun 0.04 and euler 0.2."
    assert best(FOUND, 10) == said
    equal = rows(("ddim", 10, 10, 0.2), ("euler", 10, 10, 0.2))
    assert best(equal, 10) == "**Best at 10 evaluations: ddim and euler**, error 0.2."
    assert best(FOUND.head(0), 10) == ""


def test_a_second_evaluation_a_step_is_weighed_at_equal_cost():
    assert second(FOUND) == [
        "heun asks more than once a step, so 9 evaluations are 5 steps, error 0.04. At equal cost "
        "that is not worth it here: unipc ends 4.0 times nearer with 10 steps of one each."
    ]
    (against_euler,) = second(FOUND[FOUND["solver"] != "unipc"])
    assert "that is worth it here: euler ends 5.0 times as far away" in against_euler
    assert second(FOUND[FOUND["solver"] != "heun"]) == []


def test_fewer_evaluations_are_held_against_fifty():
    many = rows(("heun", 25, 49, 0.001))
    assert fewer(FOUND, many, 10) == (
        "With 50 evaluations the best is heun, error 0.001: with 10 the best ends 10 times as far "
        "from the truth."
    )
    assert fewer(FOUND, None, 60) == "" and fewer(FOUND.head(0), many, 10) == ""
