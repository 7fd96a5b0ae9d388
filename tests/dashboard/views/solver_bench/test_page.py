"""The Solver bench page by AppTest: presets, problems, paths, downloads."""

import io
import math
from itertools import pairwise

import pandas as pd
import pytest

from dashboard.views.solver_bench import data as bench_data
from dashboard.widgets.sampler_rows import Row
from sdlab.bench.ready_solver import schedule
from sdlab.noise.exchange import NamedCurve
from sdlab.runs.curves import delete_curve, save_curve
from tests.dashboard.conftest import read

SOLVERS, PROBLEM, OPEN_END = "bench.solvers", "bench.problem", "bench.open_end"


def frames(at) -> list[pd.DataFrame]:
    """The tables of orders and of errors; the one of known samplers' audits is always there."""
    return [frame.value for frame in at.dataframe if "equals" not in frame.value]


def charts(at) -> int:
    return len(at.get("vega_lite_chart"))


@pytest.fixture
def page(open_page):
    at = open_page("solver_bench", **{"bench.steps": ["8", "32"]})
    assert not at.exception and not at.error
    return at


def test_opens_with_errors_orders_and_paths(page):
    assert [title.value for title in page.title] == ["Solver bench"]
    tabs = ["Error against cost", "Orders", "Paths", "Table", "Audit"]
    assert [t.label for t in page.tabs] == tabs
    orders, errors = frames(page)
    assert list(orders["solver"]) == list(page.multiselect(key=SOLVERS).value)
    assert len(errors) == 6 * 3 and set(errors["num_steps"]) == {8, 16, 32}
    assert charts(page) == 3
    assert any("DDIMScheduler cannot follow karras" in c.value for c in page.caption)
    assert any("the last jump alone leaves" in m.value for m in page.markdown)
    assert len(page.get("download_button")) == 3
    said = [m.value for m in page.markdown]
    assert any(m.startswith("**Best at 10 evaluations") for m in said)
    assert any("heun asks more than once a step" in m and "9 evaluations" in m for m in said)
    assert any("With 50 evaluations the best is" in m.replace("\\", "") for m in said)
    assert any("The data are a toy" in c.value for c in page.caption)


def test_ddims_spacings_show_which_gets_worse(open_page):
    at = open_page("solver_bench", **{"bench.steps": ["64", "128"]})
    next(b for b in at.button if b.label == "DDIM's three spacings").click().run()
    assert not at.exception and len(frames(at)[0]) == 3
    (said,) = [read(m) for m in at.markdown if "gets worse with more steps" in m.value]
    assert "linspace" in said and "(spacing-mismatch)" in said


def test_the_open_end_shows_the_orders(page):
    page.multiselect(key=SOLVERS).set_value(["heun", "dpmpp_2m"])
    page.select_slider(key="bench.steps").set_value((16, 128))
    page.selectbox(key=PROBLEM).set_value("gaussian")
    page.toggle(key=OPEN_END).set_value(True).run()
    orders, _ = frames(page)
    assert orders["order"].round(1).tolist() == [2.0, 2.0]
    assert orders["floor"].isna().all()


def test_noise_is_judged_by_its_cloud(page):
    page.multiselect(key=SOLVERS).set_value(["euler_ancestral"])
    page.selectbox(key=PROBLEM).set_value("gaussian").run()
    _, errors = frames(page)
    assert set(errors["measure"]) == {"weak"} and (errors["chance"] == 0).all()
    assert any("Diamonds are weak errors" in c.value for c in page.caption)
    assert any("draws fresh noise" in i.value for i in page.info)
    assert charts(page) == 2


def test_a_sampler_with_options_is_measured_beside_itself(open_page):
    texts = ["ddim", "ddim {eta=1}", "heun + exponential", "heun {nope=1}", "nobody"]
    at = open_page(
        "solver_bench", **{SOLVERS: texts, PROBLEM: "gaussian", "bench.steps": ["8", "16"]}
    )
    assert not at.exception
    orders, errors = frames(at)
    assert list(orders["solver"]) == texts[:3] and orders["declared"].notna().all()
    rows = errors.groupby("solver")
    assert rows["measure"].first().to_dict() == {
        "ddim": "strong", "ddim {eta=1}": "weak", "heun + exponential": "strong",
    }  # fmt: skip
    assert rows["curve"].first()["heun + exponential"] == "exponential"
    assert rows["curve"].first()["ddim {eta=1}"] == "karras"
    said = [e.value for e in at.error]
    assert len(said) == 2 and "nope" in said[0] and "Unknown solver 'nobody'" in said[1]


def test_a_spacing_of_its_own_is_named_as_it_is(open_page):
    text = "DDIMScheduler {timestep_spacing=linspace}"
    at = open_page("solver_bench", **{SOLVERS: [text], "bench.steps": ["8", "16"]})
    assert set(frames(at)[1]["curve"]) == {"linspace"}
    (said,) = [c.value for c in at.caption if "cannot follow karras" in c.value]
    assert said.startswith(text) and "leading" not in said


def test_presets_choose(page):
    page.select_slider(key="bench.steps").set_value((4, 8))
    button = next(b for b in page.button if b.label.startswith("DDIM and"))
    button.click().run()
    assert not page.exception
    chosen = page.multiselect(key=SOLVERS).value
    assert {"ddim", "DDIMScheduler", "PNDMScheduler", "plms"} <= set(chosen)
    assert len(frames(page)[1]) == 2 * len(chosen)


def test_without_solvers_and_without_two_dimensions(page):
    page.multiselect(key=SOLVERS).set_value([]).run()
    assert [i.value for i in page.info] == ["Choose a solver above, or press a preset."]
    page.multiselect(key=SOLVERS).set_value(["euler"])
    page.selectbox(key=PROBLEM).set_value("mixture_1d").run()
    assert any("two dimensions only" in i.value for i in page.info)


def test_the_url_says_all(open_page):
    at = open_page(
        "solver_bench",
        **{
            SOLVERS: ["heun", "DDIMScheduler"],
            PROBLEM: "gaussian",
            "bench.curve": "linspace",
            "bench.cost": "steps",
            "bench.steps": ["4", "16"],
            OPEN_END: "true",
            "bench.path": "DDIMScheduler",
        },
    )
    assert at.multiselect(key=SOLVERS).value == ["heun", "DDIMScheduler"]
    _, errors = frames(at)
    assert set(errors["curve"]) == {"linspace"} and set(errors["problem"]) == {"gaussian"}
    assert set(errors["num_steps"]) == {4, 8, 16}
    assert at.selectbox(key="bench.path").value == "DDIMScheduler"


def test_a_saved_curve_is_followed_by_those_that_can(open_page, runs_folder):
    """A formula, which takes any number of steps; a table is not offered."""
    formula = {"formula": "sigma_max * (sigma_min / sigma_max) ** u"}
    save_curve("by formula", NamedCurve("formula", formula, 10), schedule())
    save_curve("by table", NamedCurve("sigmas", {"sigmas": (14.6, 1.0, 0.0)}, 2), schedule())
    names = ["heun", "EulerDiscreteScheduler", "DDIMScheduler"]
    query = {SOLVERS: names, "bench.curve": "saved: by formula", "bench.steps": ["8", "16"]}
    at = open_page("solver_bench", **query)
    assert not at.exception and not at.error
    assert "saved: by table" not in at.selectbox(key="bench.curve").options
    assert any("DDIMScheduler cannot follow saved: by formula" in c.value for c in at.caption)
    _, errors = frames(at)
    assert list(errors["curve"].unique()) == ["formula", "leading"]
    at.selectbox(key="bench.curve").set_value("exponential").run()
    _, again = frames(at)
    heun = [table.loc[table["solver"] == "heun", "error"].tolist() for table in (errors, again)]
    assert heun[0] == pytest.approx(heun[1])
    delete_curve("by formula")
    delete_curve("by table")


def test_a_solver_registered_anew_is_measured_anew():
    import sdlab
    from sdlab.solvers import registry

    def register(share):
        @sdlab.solver("restless")
        def restless(x, sigmas, noise):
            for sigma, sigma_next in pairwise(sigmas):
                x0_pred = yield x, sigma
                x = x0_pred + share * (x - x0_pred) * sigma_next / sigma
            return x

    def error():
        rows = [Row("restless", "restless", "karras")]
        table = bench_data.measured(rows, "gaussian", (8,), "zero", "vp", lambda *_: None)
        return table["error"].iloc[0]

    try:
        register(1.0)
        first = error()
        assert error() == first
        register(0.9)
        assert error() != first
    finally:
        del registry._SOLVERS["restless"]


def test_drift_is_the_distance_over_particles():
    table = pd.read_csv(
        io.StringIO(
            "particle,step,sigma,x,y,true_x,true_y\n0,0,2,0,0,0,0\n1,0,2,1,1,1,1\n"
            "0,1,0,3,4,0,0\n1,1,0,0,1,0,0\n"
        )
    )
    found = bench_data.drift(table)
    assert found["distance"].tolist() == [0.0, 3.0] and found["worst"].tolist() == [0.0, 5.0]


def test_flow_matching_is_measured_over_its_times(open_page):
    at = open_page(
        "solver_bench",
        **{
            "bench.law": "Flow matching",
            SOLVERS: ["heun", "FlowMatchEulerDiscreteScheduler", "DDIMScheduler"],
            PROBLEM: "gaussian",
            "bench.steps": ["8", "32"],
            "bench.after_10": "0",
        },
    )
    assert not at.exception
    said = [e.value for e in at.error]
    assert any("DDIMScheduler cannot sample flow matching" in text for text in said), said
    orders, errors = frames(at)
    assert list(orders["solver"]) == ["heun", "FlowMatchEulerDiscreteScheduler"]
    assert errors["start"].map(math.isinf).all() and errors["error"].notna().all()
    assert errors["error"].max() < 0.4
    assert any("At t 1:" in c.value for c in at.caption)
    assert charts(at) == 3
