"""Every figure that an engine itself gave, within the rounding of its float32."""

import json
from pathlib import Path

import numpy as np
import pytest

from sdlab.passports.passport import passport

ROWS = json.loads((Path(__file__).parent / "engine_sigmas.json").read_text())["rows"]


@pytest.mark.parametrize("engine", ROWS)
def test_every_row_of_an_engine(engine):
    wrong = []
    for model, scheduler, steps, denoise, drops, sigmas in ROWS[engine]:
        made = passport(engine, model, scheduler, steps, denoise, discard_penultimate=bool(drops))
        same = len(made.sigmas) == len(sigmas) and np.allclose(made.sigmas, sigmas, 1e-5, 0)
        if not same:
            wrong.append((model, scheduler, steps, denoise, drops))
    assert not wrong
    assert len(ROWS[engine]) == {"comfyui": 216, "a1111": 33}[engine]
