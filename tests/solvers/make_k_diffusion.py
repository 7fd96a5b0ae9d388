"""Make tests/data/k_diffusion.json: where k-diffusion's samplers end, in float64.

    pip download --no-deps k-diffusion==0.1.1.post1 && unzip k_diffusion*.whl
    python -m tests.solvers.make_k_diffusion FOLDER_WITH_k_diffusion

Only its sampling.py (MIT licence, Katherine Crowson) is loaded, as it stands; what the package
imports beside it (training, evaluation, an adaptive ODE solver) is not needed and left out. Only
the numbers are kept.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import torch

from tests.solvers import parity

TARGET = Path(__file__).parents[1] / "data" / "k_diffusion.json"


def load(folder):
    """Return k-diffusion's sampling module from an unpacked wheel."""
    package, utils = types.ModuleType("k_diffusion"), types.ModuleType("k_diffusion.utils")
    package.__path__ = [str(Path(folder) / "k_diffusion")]
    package.utils = utils
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    odeint = types.ModuleType("torchdiffeq")
    odeint.odeint = None  # log_likelihood's, never called
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": utils, "torchdiffeq": odeint}
    path = Path(folder) / "k_diffusion" / "sampling.py"
    spec = importlib.util.spec_from_file_location("k_diffusion.sampling", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def end(sampling, name, curve, num_steps):
    """Return where one of its samplers ends, [2, 1, 2, 2]."""
    function, _, options = parity.K_DIFFUSION[name]
    sampler = getattr(sampling, function)
    sigmas = torch.tensor(parity.sigmas_of(curve, num_steps), dtype=torch.float64)
    data, drawn = parity.mixture(), parity.noise()
    x = parity.start() * sigmas[0]
    if name.endswith("sde"):
        options = {
            **options,
            "noise_sampler": lambda a, b: drawn.between(x, float(a), float(b)),
        }
    elif "noise_sampler" in sampler.__code__.co_varnames:
        options = {**options, "noise_sampler": lambda a, b: drawn(x)}
    else:
        torch.manual_seed(parity.SEED + 1)  # it draws from the global generator

    def model(x, sigma):
        return data.denoise(x, float(sigma[0]))

    return sampler(model, x, sigmas, disable=True, **options)


def main():
    """Write the file."""
    sampling = load(sys.argv[1])
    ends = {
        f"{name} {curve} {num_steps}": end(sampling, name, curve, num_steps).flatten().tolist()
        for name in parity.K_DIFFUSION
        for curve in parity.CURVES
        for num_steps in parity.STEPS
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in ends.items()]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
