"""What inverting DDIM loses: on an exact mixture, and on pictures with the embedded model.

Run: python benchmarks/inversion.py [--quick] [--json]
"""

import math

import torch
from report import Report

import sdlab
from sdlab.denoisers.guided import Guided
from sdlab.denoisers.mixture import Mixture
from sdlab.embedded.samples import drawn_picture
from sdlab.inversion.invert import inverting, regenerating
from sdlab.inversion.schemes import METHODS, scheme
from sdlab.latents.image import encode
from sdlab.latents.round_trip import likeness
from sdlab.latents.statistics import moments, shell
from sdlab.noise import NoiseSchedule, curves
from sdlab.sampling.work import finish
from sdlab.solvers.diffusers_adapter import SD_CONFIG

MEANS = torch.tensor([[-1.0, -0.5], [1.0, 0.3], [0.2, 1.4]], dtype=torch.float64)
ROUNDS = 5  # of the fixed point, on pictures
SEEN = {10: 0.18, 20: 0.10, 50: 0.047, 100: 0.023, 200: 0.011}  # elsewhere, naive


def rms(x):
    """Return the root mean square of a tensor."""
    return float(x.double().square().mean().sqrt())


def there_and_back(denoise, latents, sigmas, ways, method):
    """Return the inversion's noise and where the way back ends."""
    there = finish(inverting(denoise, latents, sigmas, method, ways))
    back = finish(regenerating(denoise, there))
    return there.noise, back.latents


def on_a_mixture(report):
    """The three schemes on three Gaussians in the plane, float64."""
    mixture = Mixture.even(MEANS.reshape(3, 2, 1, 1), 0.25)
    data = mixture.sample(2048, torch.Generator().manual_seed(0))
    schedule = NoiseSchedule.from_config(SD_CONFIG)
    losses = {}
    for method, counts in (("naive", (*SEEN, 400, 800)), ("fixed_point", (50,)), ("edict", (50,))):
        for steps in counts:
            sigmas = tuple(curves.make("trailing", schedule, steps, {}).tolist())
            _, end = there_and_back(mixture.denoise, data, sigmas, scheme(method), method)
            losses[method, steps] = rms(end - data) / rms(data)
            note = f"{losses[method, steps]:.3g}"
            if method == "naive" and steps in SEEN:
                note += f"; {SEEN[steps]} was seen elsewhere"
            goal = "<= 1e-10" if method == "edict" else ""
            name = f"mixture, {method}, {steps} steps: relative RMSE"
            report.add(name, losses[method, steps], goal=goal, note=note)
    gain = losses["naive", 50] / losses["fixed_point", 50]
    report.add("mixture, naive / fixed point, 50 steps", gain, goal=">= 10")


def on_pictures(report, model, count, steps, guidance_scale):
    """All schemes over drawn scenes that no training saw, under their captions."""
    scenes = [drawn_picture(number) for number in range(count)]
    latents = torch.cat([encode(model, image) for image, _ in scenes])
    sigmas = tuple(curves.make(None, model.schedule, steps, {}).tolist())
    pictures = [model.decode(row) for row in latents.split(1)]
    words = [Guided(model, caption, "", guidance_scale) for _, caption in scenes]

    for method in METHODS:
        ways = scheme(method, iterations=ROUNDS)
        noises, ends = there_and_back(batched(words), latents, sigmas, ways, method)
        loss = [rms(a - b) / rms(b) for a, b in zip(ends, latents, strict=True)]
        alike = [
            likeness(picture, model.decode(row))
            for picture, row in zip(pictures, ends.split(1), strict=True)
        ]
        kurtosis = [moments(noise)["kurtosis"].iloc[-1] for noise in noises]
        z = [shell(noise)["z"].iloc[0] for noise in noises]
        head = f"{method}, guidance {guidance_scale:g}, {count} pictures, {steps} steps"
        mean_loss, error, ssim = (sum(v) / count for v in (
            loss, [a.rmse**2 for a in alike], [a.ssim for a in alike]))  # fmt: skip
        psnr = 10 * math.log10(255**2 / max(error, 255**2 / 1e10))  # equal pictures: 100 dB
        goal = "<= 1e-3" if method == "edict" and guidance_scale == 1 else ""
        note = f"{mean_loss:.3g}, worst {max(loss):.3g}; SSIM {ssim:.4f}"
        report.add(f"{head}: relative RMSE", mean_loss, goal=goal, note=note)
        note = f"noise: norm {sum(z) / count:+.1f} std from the shell, kurtosis"
        note += f" {sum(kurtosis) / count:+.2f}"
        report.add(f"{head}: PSNR of their mean error", psnr, unit="dB", note=note)


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


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    on_a_mixture(report)
    model = sdlab.load(device=report.arguments.device)
    torch.backends.cudnn.allow_tf32 = False  # EDICT magnifies rounding
    quick = report.arguments.quick
    on_pictures(report, model, *((2, 10) if quick else (50, 50)), 1.0)
    for guidance_scale in (4.0,) if quick else (1.5, 2.0, 4.0):
        on_pictures(report, model, *((1, 10) if quick else (10, 50)), guidance_scale)
    report.close()


if __name__ == "__main__":
    main()
