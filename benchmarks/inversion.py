"""What inverting DDIM loses: on exact data, and on pictures with the embedded model.

    python benchmarks/inversion.py [--quick] [--json]
    python benchmarks/inversion.py --only exact naive-1 fixed_point-1
    python benchmarks/inversion.py --keep FILE --minutes 8      again and again, until it is whole

Groups are "exact" and each method at each guidance scale, such as "edict-4". All of them take some
20 minutes on 2 cores; --keep writes down every picture, so that a run can be cut off and go on.
"""

import json
import math
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from report import Report

import sdlab
from sdlab.ddim.invert import inverting, regenerating
from sdlab.ddim.schemes import METHODS, scheme
from sdlab.denoisers.gaussian import Gaussian
from sdlab.denoisers.guided import Guided
from sdlab.denoisers.mixture import Mixture
from sdlab.embedded.samples import drawn_picture
from sdlab.latents.image import encode
from sdlab.latents.round_trip import likeness
from sdlab.latents.statistics import moments, shell
from sdlab.noise import NoiseSchedule, curves
from sdlab.solvers.from_diffusers import SD_CONFIG
from sdlab.work import finish

MEANS = torch.tensor([[-1.0, -0.5], [1.0, 0.3], [0.2, 1.4]], dtype=torch.float64)
COUNTS = (10, 20, 50, 100, 200, 400, 800)
SEEN = {10: 0.18, 20: 0.10, 50: 0.047, 100: 0.023, 200: 0.011}  # elsewhere, naive
GUIDANCES = (1.0, 1.5, 2.0, 4.0)
ROUNDS = 5  # of the fixed point, on pictures
TOGETHER = 5  # pictures a batch


@dataclass(frozen=True)
class Case:
    """Pictures to be taken there and back under their captions by one method."""

    method: str
    guidance_scale: float
    pictures: int
    steps: int

    @property
    def group(self):
        """What --only calls it."""
        return f"{self.method}-{self.guidance_scale:g}"


def cases(quick):
    """Return all cases: 50 pictures at guidance 1, 10 with more."""
    if quick:
        return [Case(m, g, 2 if g == 1 else 1, 10) for g in (1.0, 4.0) for m in METHODS]
    return [Case(m, g, 50 if g == 1 else 10, 50) for g in GUIDANCES for m in METHODS]


def rms(x):
    """Return the root mean square of a tensor."""
    return float(x.double().square().mean().sqrt())


def there_and_back(denoise, latents, sigmas, ways, method):
    """Return the inversion's noise and where the way back ends."""
    there = finish(inverting(denoise, latents, sigmas, method, ways))
    back = finish(regenerating(denoise, there))
    return there.noise, back.latents


def on_exact_data(report):
    """The schemes on a Gaussian and on three Gaussians in the plane, wide and narrow, float64.

    The order is that of the naive scheme from 50 to 200 steps: 1 where the flow is smooth. Between
    narrow components a few points lie on the watershed and need far smaller steps; the RMSE is
    theirs, so the same without the worst 1 % is printed beside it.
    """
    zero = torch.zeros(2, 1, 1, dtype=torch.float64)
    problems = {
        "Gaussian, std 0.5": Gaussian(zero, torch.full((2,), 0.5, dtype=torch.float64)),
        "mixture, std 0.5": Mixture.even(MEANS.reshape(3, 2, 1, 1), 0.5),
        "mixture, std 0.25": Mixture.even(MEANS.reshape(3, 2, 1, 1), 0.25),
    }
    for name, problem in problems.items():
        data = problem.sample(2048, torch.Generator().manual_seed(0))
        naive = {steps: lost(problem, data, "naive", steps) for steps in COUNTS}
        for steps, (loss, most) in naive.items():
            note = f"{most:.3g} without the worst 1 %"
            if steps in SEEN:
                note += f"; {SEEN[steps]} was seen elsewhere, on another mixture"
            report.add(f"{name}, naive, {steps} steps: relative RMSE", loss, note=note)
        orders = [math.log(naive[50][part] / naive[200][part]) / math.log(4) for part in (0, 1)]
        goal = "" if name.endswith("0.25") else ">= 0.95"
        title = f"{name}, naive: order, 50 to 200 steps"
        report.add(title, orders[0], goal=goal, note=f"{orders[1]:.3f} without the worst 1 %")
        fixed, exact, belm = (lost(problem, data, method, 50)[0] for method in METHODS[1:])
        gain = naive[50][0] / fixed
        report.add(f"{name}, naive / fixed point, 50 steps", gain, goal=">= 10")
        report.add(f"{name}, edict, 50 steps: relative RMSE", exact, goal="<= 1e-10")
        report.add(f"{name}, o_belm, 50 steps: relative RMSE", belm, goal="<= 1e-10")


def lost(problem, data, method, steps):
    """Return the relative RMSE of a round trip, and the same without the worst 1 % of points."""
    schedule = NoiseSchedule.from_config(SD_CONFIG)
    sigmas = tuple(curves.make("trailing", schedule, steps, {}).tolist())
    _, end = there_and_back(problem.denoise, data, sigmas, scheme(method), method)
    gaps = (end - data).square().mean((1, 2, 3)).sort().values
    most = gaps[: int(0.99 * len(gaps))]
    return float(gaps.mean().sqrt()) / rms(data), float(most.mean().sqrt()) / rms(data)


class Kept:
    """What is known of each picture already, in a file of JSON lines, or only in memory."""

    def __init__(self, path, model_hash):
        self.path, self.model = path, model_hash
        self.known = {}
        if path is not None and path.exists():
            rows = map(json.loads, path.read_text().splitlines())
            self.known = {self.key(row): row for row in rows if row["model"] == model_hash}

    @staticmethod
    def key(row):
        """Return what a picture's figures stand under."""
        return (row["method"], row["guidance_scale"], row["steps"], row["number"])

    def add(self, row):
        """Keep one picture's figures."""
        self.known[self.key(row)] = row
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def of(self, case):
        """Return the figures of a case's pictures that are known, by number."""
        keys = [(case.method, case.guidance_scale, case.steps, n) for n in range(case.pictures)]
        return {key[-1]: self.known[key] for key in keys if key in self.known}


def measure(case, model, kept, deadline):
    """Take the pictures of a case that are not known yet there and back, until the time is up."""
    sigmas = tuple(curves.make(None, model.schedule, case.steps, {}).tolist())
    ways = scheme(case.method, iterations=ROUNDS)
    missing = [number for number in range(case.pictures) if number not in kept.of(case)]
    for at in range(0, len(missing), TOGETHER):
        if time.monotonic() > deadline:
            return
        numbers = missing[at : at + TOGETHER]
        scenes = [drawn_picture(number) for number in numbers]
        latents = torch.cat([encode(model, image) for image, _ in scenes])
        words = [Guided(model, caption, "", case.guidance_scale) for _, caption in scenes]
        noises, ends = there_and_back(batched(words), latents, sigmas, ways, case.method)
        for number, before, after, noise in zip(numbers, latents, ends, noises, strict=True):
            kept.add(asdict(case) | figures(model, before, after, noise, number))


def figures(model, before, after, noise, number):
    """Return what is told of one picture."""
    alike = likeness(*(model.decode(x[None]) for x in (before, after)))
    return {
        "number": number,
        "model": model.hash,
        "loss": rms(after - before) / rms(before),
        "squared_error": alike.rmse**2,
        "ssim": alike.ssim,
        "z": float(shell(noise)["z"].iloc[0]),
        "kurtosis": float(moments(noise)["kurtosis"].iloc[-1]),
    }


def batched(words):
    """Return a denoiser of one picture a row, each under its own words, in one network call."""
    from sdlab.denoisers.network import Sample, evaluate, predictions

    def denoise(x, sigma):
        model = words[0].model
        x_t = x / (1.0 + sigma**2) ** 0.5
        timestep = float(model.schedule.sigma_to_timestep(sigma))
        samples = [
            Sample(row, timestep, w.cond, w.uncond, w.guidance_scale, 0.0)
            for row, w in zip(x_t.split(1), words, strict=True)
        ]
        output = torch.cat([o.guided for o in evaluate(model, samples)])
        return predictions(model.schedule, x_t, sigma, output)[0]

    return denoise


def tell(report, case, rows):
    """Add the rows of a case, from as many pictures as are known."""
    if not rows:
        print(f"{case.group}: no picture yet")
        return
    mean = {
        name: statistics.fmean(row[name] for row in rows)
        for name in ("loss", "squared_error", "ssim", "z", "kurtosis")
    }
    whole = "" if len(rows) == case.pictures else f" of {case.pictures}"
    head = f"{case.method}, guidance {case.guidance_scale:g}, {len(rows)}{whole} pictures"
    head += f", {case.steps} steps"
    worst = max(row["loss"] for row in rows)
    exact = case.method in ("edict", "o_belm") and case.guidance_scale == 1
    goal = "<= 1e-3" if exact else ""
    note = f"worst {worst:.3g}; SSIM {mean['ssim']:.4f}"
    report.add(f"{head}: relative RMSE", mean["loss"], goal=goal, note=note)
    psnr = 10 * math.log10(255**2 / max(mean["squared_error"], 255**2 / 1e10))  # equal: 100 dB
    note = f"noise: norm {mean['z']:+.1f} std from the shell, kurtosis {mean['kurtosis']:+.2f}"
    report.add(f"{head}: PSNR of their mean error", psnr, unit="dB", note=note)


def main():
    """Measure and print."""
    groups = ("exact", *(f"{method}-{g:g}" for g in GUIDANCES for method in METHODS))
    report = Report(
        __doc__.splitlines()[0],
        {
            "--only": {"nargs": "+", "choices": groups, "metavar": "GROUP",
                       "help": f"of {', '.join(groups)}"},
            "--keep": {"type": Path, "metavar": "FILE", "help": "where to go on from"},
            "--minutes": {"type": float, "default": math.inf, "help": "begin no batch after"},
        },
    )  # fmt: skip
    wanted = report.arguments.only or groups
    deadline = time.monotonic() + 60 * report.arguments.minutes
    report.head()
    if "exact" in wanted:
        on_exact_data(report)
    chosen = [case for case in cases(report.arguments.quick) if case.group in wanted]
    if chosen:
        model = sdlab.load(device=report.arguments.device)
        torch.backends.cudnn.allow_tf32 = False  # EDICT magnifies rounding
        kept = Kept(report.arguments.keep, model.hash)
        for case in chosen:
            measure(case, model, kept, deadline)
            tell(report, case, list(kept.of(case).values()))
    report.close()


if __name__ == "__main__":
    main()
