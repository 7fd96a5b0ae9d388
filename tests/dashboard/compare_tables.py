"""Tables as a comparison leaves them, made without a run."""

import numpy as np
import pandas as pd

from sdlab.comparing.columns import TABLES

ENTRANTS = ("euler", "heun", "dpmpp_2m", "euler_ancestral")
ORDERS = {"euler": 1.0, "heun": 2.0, "dpmpp_2m": 2.0, "euler_ancestral": 0.0}
PICTURES = (("a sun", 0), ("a sun", 1), ("a tree", 0), ("a tree", 1))
BUDGETS = (5, 10, 20)


def _nfe(entrant: str, steps: int) -> int:
    return 2 * steps - 1 if entrant == "heun" else steps


def _error(entrant: str, budget: int) -> float:
    return 0.5 * float(_nfe(entrant, budget)) ** -ORDERS[entrant]


def _frame(name: str, rows: list) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(TABLES[name]))


def _entrants() -> list:
    note = "It draws noise."
    return [
        (
            e,
            e,
            "",
            None,
            e != "euler_ancestral",
            20,
            _nfe(e, 20),
            14.6,
            0.0,
            note * (ORDERS[e] == 0),
        )
        for e in ENTRANTS
    ]


def _steps() -> list:
    rows = []
    for e in ENTRANTS:
        for prompt, seed in PICTURES:
            nfe = _nfe(e, 20)
            sigma = np.geomspace(14.6, 0.03, nfe)
            for k in range(nfe):
                near = 1 - k / nfe
                step = min(k // (2 if e == "heun" else 1), 19)
                who = (e, prompt, seed, step, k, (k + 1) / nfe, sigma[k])
                rows.append(
                    (*who, 1e-7 + 0.1 * k / nfe, 0.1 * near + 0.01, near, 0.1, 1.0, 0.2, 0.9)
                )
    return rows


def _paths() -> list:
    rows = []
    for e in (*ENTRANTS, "reference"):
        for prompt, seed in PICTURES:
            for k in range(21):
                place = (k / 20, ORDERS.get(e, 3) * (k / 20) ** 2)
                rows.append((e, prompt, seed, k, 14.6 * (1 - k / 20), *place, 0.7, 0.2))
    return rows


def comparison_tables() -> dict[str, pd.DataFrame]:
    costs, runs, quality = [], [], []
    for e in ENTRANTS:
        for b in BUDGETS:
            error, nfe = _error(e, b), _nfe(e, b)
            seconds = 0.02 * nfe
            row = (e, b, b, nfe, seconds, error, error / 1.3, error * 1.3, 4, 1e-4, e != "euler")
            costs.append(row)
            quality.append((e, b, nfe, "all", 0.8, 0.7, 0.9, 16))
            for prompt, seed in PICTURES:
                figures = (seconds, error, 9.0, 30.0, 0.9, 0.75)
                runs.append((e, prompt, seed, b, b, nfe, "0" * 16, "done", "", *figures))
    pairs = [(a, b, abs(ORDERS[a] - ORDERS[b]) / 2, 4) for a in ENTRANTS for b in ENTRANTS]
    slopes = [(e, ORDERS[e], ORDERS[e] - 0.1, ORDERS[e] + 0.1, 5, 20, 3, "") for e in ENTRANTS]
    slopes[3] = ("euler_ancestral", None, None, None, None, None, 0, "It draws noise.")
    ties = [
        (
            a,
            b,
            _error(a, 20) / _error(b, 20),
            0.5 if {a, b} == {"heun", "dpmpp_2m"} else 0.01,
            *rest,
        )
        for i, a in enumerate(ENTRANTS)
        for b in ENTRANTS[i + 1 :]
        for rest in [(0.5, 2.0, 2.0, 9.0, {a, b} == {"heun", "dpmpp_2m"}, False, 4)]
    ]
    references = [(p, s, "1" * 16, 100, 199, 3e-4, 1e-4) for p, s in PICTURES]
    rows = {
        "entrants": _entrants(),
        "runs": runs,
        "references": references,
        "steps": _steps(),
        "pairs": pairs,
        "cost": costs,
        "slopes": slopes,
        "paths": _paths(),
        "quality": quality,
        "ties": ties,
        "spread": [
            (e, what, mean, 0.9 * mean, 1.1 * mean, 4)
            for e in ENTRANTS
            for what, mean in {
                "spread": 1.2,
                "distance": _error(e, 20),
                "image_rmse": 9.0,
                "psnr": 30.0,
                "ssim": 0.9,
                "fidelity": 0.75,
            }.items()
        ],
    }
    return {name: _frame(name, rows[name]) for name in TABLES}
