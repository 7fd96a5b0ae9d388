"""Makes the files beside it; version 0.2.0 alone can run it, see README.md."""

import io
import json
import os
import random
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
os.environ["SDLAB_RUNS"] = str(RUNS)

from sdlab.store.curves import save_curve  # noqa: E402
from sdlab.store.export import csv_bytes, export_run  # noqa: E402

import sdlab  # noqa: E402
from sdlab.comparing.export import write_zip  # noqa: E402
from sdlab.models.load import EMBEDDED  # noqa: E402
from sdlab.noise.exchange import NamedCurve  # noqa: E402

SMALL = {"width": 64, "height": 64}
EXPERIMENTS = {
    "plain": {"prompt": "a red bird", "guidance_scale": 1, "num_steps": 3},
    "guided": {
        "prompt": "a cat to the left of a tree",
        "negative_prompt": "rain, 夜",
        "seed": 2**64 - 1,
        "guidance_scale": 7.5,
        "guidance_rescale": 0.7,
        "num_steps": 3,
        "record": {"tensors": ["x_t", "x0_pred", "output_cond", "output_uncond"], "every": 2},
    },
    "own": {
        "prompt": "a sun",
        "seed": 5,
        "solver": "edm_stochastic",
        "solver_options": {"churn": 0.5},
        "curve": "karras",
        "curve_options": {"rho": 5.5},
        "num_steps": 3,
        "record": {"dtype": "float16"},
    },
    "formula": {
        "prompt": '=a "parrot", on: a beach\n@night',
        "solver": "heun",
        "curve": "formula",
        "curve_options": {"formula": "sigma_max * (sigma_min / sigma_max) ** u"},
        "num_steps": 2,
    },
    "attention": {
        "prompt": "a red car on a beach",
        "num_steps": 2,
        "record": {
            "tensors": [],
            "attention": {"layers": ["8x8"], "self_layers": ["mid_block"], "halves": "both"},
        },
    },
    "diffusers": {
        "prompt": "a fish in the sea",
        "seed": 11,
        "solver": "DPMSolverMultistepScheduler",
        "solver_options": {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
        "num_steps": 3,
        "height": 72,
    },
    "unrecorded": {
        "prompt": "a house",
        "solver": "euler_ancestral",
        "eta": 0.5,
        "num_steps": 2,
        "record": {"tensors": [], "statistics": False},
    },
}
COMPARISON = {
    "entrants": ["euler", {"solver": "heun", "curve": "exponential", "label": "Heun, exponential"}],
    "prompts": ["a sun in the sky"],
    "budget": 4,
    "more_budgets": [2],
    "align": "nfe",
    "reference_steps": 4,
    **SMALL,
}
CONFIG = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def write(name: str, value: dict | list) -> None:
    if isinstance(value, list):
        text = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in value) + "\n]"
    else:
        text = json.dumps(value, indent=1, ensure_ascii=False)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


def modules() -> None:
    """The address of each module of the library."""
    top = Path(sdlab.__file__).parent
    parts = [path.relative_to(top.parent).with_suffix("").parts for path in top.rglob("*.py")]
    names = sorted(".".join(part).removesuffix(".__init__") for part in parts)
    (HERE / "modules.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def runs() -> dict[str, str]:
    """Runs by what is special about each, and a comparison with its own."""
    model = sdlab.load(device="cpu")
    found = {}
    for name, fields in EXPERIMENTS.items():
        run = sdlab.run(model, sdlab.Experiment(**{**SMALL, **fields}))
        found[name] = run.save(RUNS).name
    result = sdlab.compare(model, sdlab.Comparison.from_dict(COMPARISON), save=RUNS)
    save_curve(
        "slow start",
        NamedCurve("karras", {"rho": 3.0}, 12),
        sdlab.NoiseSchedule.from_config(CONFIG),
    )
    return {**found, "comparison": result.id}


def scheduler() -> None:
    """What a pipeline saved with one of our solvers says of it, without its weights."""
    made = sdlab.as_diffusers_scheduler(
        "lms", order=3, curve="karras", curve_options={"rho": 5.5}, config=CONFIG
    )
    pipeline = sdlab.load(device="cpu").pipeline
    pipeline.scheduler = made
    with TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        for name in ("model_index.json", "scheduler/scheduler_config.json"):
            text = (Path(folder) / name).read_text().replace(str(EMBEDDED), "embedded")
            (HERE / "pipeline" / name).parent.mkdir(parents=True, exist_ok=True)
            (HERE / "pipeline" / name).write_text(text)


def specs() -> list[dict]:
    """Experiments and comparisons: what was given, and the JSON and id that it has."""
    rng = random.Random(2)
    solvers = ["ddim", "heun", "dpmpp_2m", "edm_stochastic", "UniPCMultistepScheduler", "unipc"]
    options = [{}, {}, {"churn": 0.5}, {"a": [1, 2.0, [None, "b"]], "b": True}, {"rho": 7.0}]
    layers = [["all"], ["1/2", "mid_block"], ["16x16"], []]
    texts = ["", "a cat", "夜の海", 'a "dog"\n<b>', "é" * 40, "🦜 on a beach"]

    def attention() -> dict:
        return {
            "layers": rng.choice(layers),
            "self_layers": ["8x8"],
            "heads": rng.choice(["mean", "max", "all"]),
            "tokens": rng.choice(["prompt", "all"]),
            "steps": rng.choice(["all", "last", 1, 3]),
            "halves": rng.choice(["cond", "both"]),
            "dtype": rng.choice(["float16", "bfloat16", "float32"]),
            "max_bytes": rng.choice([2**20, 2**30]),
        }

    def record() -> dict:
        names = ["x_t", "x0_pred", "output_cond", "output_uncond"]
        made = {
            "tensors": rng.sample(names, rng.randrange(5)),
            "every": rng.randrange(1, 5),
            "dtype": rng.choice(["float32", "float16", "bfloat16"]),
            "statistics": rng.random() < 0.5,
            "attention": rng.choice([None, attention()]),
        }
        return {name: made[name] for name in made if rng.random() < 0.6}

    def shared() -> dict:
        return {
            "negative_prompt": rng.choice(texts),
            "guidance_scale": rng.choice([1, 4.0, 7.5, -1, 1e-3, 20]),
            "guidance_rescale": rng.choice([0, 0.7, 1.0, 1 / 3]),
            "width": rng.choice([None, 64, 512]),
            "height": rng.choice([None, 8, 768]),
            "model": rng.choice(["embedded", "small", "/a folder/模型"]),
            "fast": rng.random() < 0.5,
        }

    def experiment() -> dict:
        return {
            **shared(),
            "prompt": rng.choice(texts),
            "seed": rng.choice([0, 7, 2**32, 2**64 - 1]),
            "solver": rng.choice(solvers),
            "solver_options": rng.choice(options),
            "curve": rng.choice([None, "karras", "formula", "sigmas", "points"]),
            "curve_options": rng.choice([*options, {"formula": "u"}, {"sigmas": [3.0, 1.5, 0]}]),
            "num_steps": rng.choice([1, 20, 10_000]),
            "eta": rng.choice([None, 0, 0.5, 1.0]),
            "record": record(),
        }

    def comparison() -> dict:
        entrants = [
            "euler",
            "heun",
            {"solver": "dpmpp_2m", "curve": "karras", "curve_options": {"rho": 5.0}},
            {"solver": "ddim", "eta": 1, "label": "noisy"},
            {"solver": "edm_stochastic", "solver_options": {"churn": 0.5}},
            {"solver": "UniPCMultistepScheduler", "solver_options": {"solver_order": 3}},
        ]
        return {
            **shared(),
            "entrants": rng.sample(entrants, rng.randrange(1, 6)),
            "prompts": rng.sample(texts, rng.randrange(1, 4)),
            "seeds": rng.sample([0, 1, 7, 2**64 - 1], rng.randrange(1, 4)),
            "budget": rng.choice([1, 8, 20]),
            "more_budgets": rng.sample([2, 4, 40], rng.randrange(3)),
            "align": rng.choice(["steps", "nfe"]),
            "curve": rng.choice([None, "karras", "linspace"]),
            "reference_steps": rng.choice([4, 100]),
        }

    needed = {sdlab.Experiment: (), sdlab.Comparison: ("entrants", "prompts")}
    rows = []
    for kind, make in ((sdlab.Experiment, experiment),) * 90 + (
        (sdlab.Comparison, comparison),
    ) * 40:
        fields = make()
        given = {n: v for n, v in fields.items() if n in needed[kind] or rng.random() < 0.7}
        made = kind.from_dict(given)
        row = {"kind": kind.__name__, "given": given, "json": made.to_json(), "id": made.id}
        rows.append(row)
    return rows


def header(data: bytes) -> str:
    return data.decode("utf-8-sig").splitlines()[0]


def columns(ids: dict[str, str]) -> dict[str, str]:
    """The first line of every CSV that the library writes."""
    found = {}
    for name in ("plain", "attention"):
        for path in export_run(RUNS / ids[name], "csv", Path("exported")):
            found[f"run {path.stem.split('-')[1]}"] = header(path.read_bytes())
    stream = io.BytesIO()
    write_zip(sdlab.comparing.result.open_result(RUNS, ids["comparison"]), stream)
    with ZipFile(stream) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                found[f"comparison {name[:-4]}"] = header(archive.read(name))
    model = sdlab.load(device="cpu")
    errors = sdlab.bench.errors("heun", problem="gaussian", steps=(4, 8, 16))
    tables = {
        "schedulers": sdlab.schedulers(),
        "tokens": sdlab.tokens(model, "a red bird"),
        "bench errors": errors,
        "bench orders": sdlab.bench.orders(errors),
        "bench problems": sdlab.bench.problems(),
        "bench trajectories": sdlab.bench.trajectories("heun", 4, problem="mixture_2d"),
    }
    return {**found, **{name: header(csv_bytes(table)) for name, table in tables.items()}}


def links(ids: dict[str, str]) -> list[dict]:
    """Every address with what it becomes, and the CSVs that its page offers."""
    from dashboard.address import Bound
    from dashboard.lab import stop_worker
    from streamlit.elements.widgets.button import ButtonMixin
    from streamlit.testing.v1 import AppTest

    import dashboard

    main = Path(dashboard.__file__).parent / "main.py"
    offered: dict[str, str] = {}
    button = ButtonMixin._download_button

    def noted(self, label, data, file_name=None, **more):
        if str(file_name).endswith(".csv"):
            offered[file_name] = header(data)
        return button(self, label, data, file_name, **more)

    ButtonMixin._download_button = noted
    drawn, fields = Bound._drawn, set()

    def seen(self, kind, check, *args, key, **named):
        fields.add(key)
        return drawn(self, kind, check, *args, key=key, **named)

    Bound._drawn = seen
    rows = []
    addresses = json.loads((HERE / "addresses.json").read_text(encoding="utf-8"))
    for page, params, *press in addresses:
        params = {n: ids.get(v, v) if isinstance(v, str) else v for n, v in params.items()}
        offered.clear()
        at = AppTest.from_file(str(main), default_timeout=300)
        at.query_params.update(params)
        at.switch_page(f"../pages/{page}.py")
        at.run()
        for key in press:
            at.button(key=key).click().run()
        known, still = -1, 0
        while still < (
            15 if press or not offered else 3
        ):  # until what the worker makes for the page is there
            time.sleep(1)
            at.run()
            still = still + 1 if len(offered) == known else 0
            known = len(offered)
        said = [m.value for m in (*at.exception, *at.error, *at.warning)]
        kept = {name: at.query_params[name] for name in params if name in at.query_params}
        row = {"page": page, "params": params, "press": press, "kept": kept}
        assert not said, (page, said)
        rows.append({**row, "csv": dict(offered)})
    stop_worker()
    print("in no address:", sorted(fields - {n for row in rows for n in row["params"]}))
    return rows


if __name__ == "__main__":
    assert sdlab.__version__ == "0.2.0", "only what that version writes is of use"
    if "--links" not in sys.argv:
        for name in ("runs", "pipeline"):
            shutil.rmtree(HERE / name, ignore_errors=True)
        made = runs()
        modules()
        scheduler()
        write("ids.json", made)
        write("specs.json", specs())
        write("columns.json", columns(made))
    known = json.loads((HERE / "ids.json").read_text())
    before = {path.name for path in RUNS.iterdir()}
    write("links.json", links(known))
    for path in RUNS.iterdir():
        if path.name not in before:
            shutil.rmtree(path)
