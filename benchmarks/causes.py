"""What causes what on the small world: words, maps, pads, guidance, skips; and why x0_pred blurs.

Run: python benchmarks/causes.py [--quick] [--json] [--device cuda]

In full 200 given scenes, 24 generated pictures twice, 16 prompts with nine changes each and 6
prompts for the draws, at 20 steps: some 700 seconds of CPU time.

Overlaps of maps, as sdlab.causes.overlap defines them: IoU of the strongest fifth of the cells
(against an object of as many cells as it has) and Spearman's rank correlation, over prompts or
scenes with one noun each, with normal 95 % intervals; chance is what unrelated maps give.

* Given scenes: held-out ones, whose masks are known exactly, noised to one level and passed twice,
  with the noun and without it (removed from the caption).
* Generated pictures: the same captions, DDIM, guidance 4. The object's place is a silhouette, as
  in benchmarks/attention_truth.py; where the checker does not find the object once there is none.

The map is that of the layer that finds objects best, the mean over all evaluations. Note that the
embedded model's cross-attention was taught to find its objects.

Effects: the same prompts with one thing changed, same seed, same noise: RMS of the final latents,
and the share of the statements which the plain picture fulfils that the changed one does not.

Draws: at three places of a run 20 pictures are drawn from its x_t at guidance 1. The distance of
x0_pred from their mean, over its distance from a single one, would be 1 / sqrt(20) = 0.22 for the
true mean, and 0.72 for one more picture drawn like them.
"""

from statistics import fmean
from typing import NamedTuple

import torch
from report import Report, interleaved, ratio

import sdlab
from sdlab.causes import change
from sdlab.causes.counterfactuals import counterfactuals, running
from sdlab.causes.draws import draws
from sdlab.causes.switches import SkipScaled
from sdlab.causes.word_check import given_check, word_check
from sdlab.embedded.captions import text_of
from sdlab.embedded.scenes import SceneSampler
from sdlab.embedded.silhouettes import on_grid
from sdlab.embedded.world import World, word_mask
from sdlab.intervals import mean, share
from sdlab.training.evaluate import trained_objects
from sdlab.training.latent_scenes import encode_pictures
from sdlab.work import finish

TIMESTEPS = (200, 400, 600)
PLACES = (0.1, 0.3, 0.6)


class Sizes(NamedTuple):
    """How much is measured: scenes, prompts of each part, steps of a run, draws from one x_t."""

    given: int
    generated: int
    effects: int
    blurred: int
    steps: int
    draws: int


FULL = Sizes(given=200, generated=24, effects=16, blurred=6, steps=20, draws=20)
QUICK = Sizes(given=4, generated=3, effects=2, blurred=1, steps=6, draws=6)


def nouns(count):
    """Return (scene, caption, its first noun that stands once, that word) of held-out scenes."""
    out, number = [], 0
    sampler = SceneSampler(79, trained_objects(), split="test")
    while len(out) < count:
        scene, words = sampler(number)
        number += 1
        texts = [word.text for word in words]
        names = {item.name for item in scene.items}
        found = [w for w in words if w.text in names and texts.count(w.text) == 1]
        if found:
            out.append((scene, text_of(words), found[0]))
    return out


def given(model, world, chosen, timestep):
    """Return the tables of given scenes at one noise level, noun by noun."""
    tables = []
    for number, (scene, caption, word) in enumerate(chosen):
        picture, cover = world.render([scene])
        mask = on_grid(word_mask(word, cover[0]))
        if not mask.any():
            continue
        latents = encode_pictures(model.pipeline.vae, picture)
        check = given_check(
            model, latents, caption, word.text, timestep=timestep, seed=number, object=mask
        )
        tables.append(check.table())
    return tables


def generated(model, chosen, how, steps):
    """Return the tables of generated pictures, noun by noun."""
    tables = []
    for number, (_, caption, word) in enumerate(chosen):
        spec = sdlab.Experiment(prompt=caption, seed=number, num_steps=steps)
        tables.append(finish(word_check(model, spec, word.text, how=how)).table())
    return tables


def report_overlaps(report, name, tables):
    """Print IoU and rank correlation of every two maps with their intervals."""
    found = {}
    for table in tables:
        for row in table.itertuples():
            found.setdefault((row.one, row.other), []).append(row)
    for (one, other), rows in found.items():
        iou = mean([row.iou for row in rows])
        order = mean([row.rank_correlation for row in rows])
        note = f"{iou.low:.3f} to {iou.high:.3f}, n {len(rows)}, chance "
        note += f"{fmean(row.chance for row in rows):.3f}"
        report.add(f"{name}: {one} and {other}, IoU", iou.value, note=note)
        note = f"{order.low:.3f} to {order.high:.3f}"
        report.add(f"{name}: {one} and {other}, rank correlation", order.value, note=note)


def effects(report, model, chosen, steps):
    """Print how far single changes move the picture, and what of the prompt is lost."""
    moved, lost = {}, {}
    for number, (_, caption, word) in enumerate(chosen):
        spec = sdlab.Experiment(prompt=caption, seed=number, num_steps=steps)
        changes = {
            "the noun removed": change.word_left_out(model, spec, word.text),
            "the noun masked": change.word_left_out(model, spec, word.text, how="masked"),
            "pads of the empty prompt": change.pads(model, spec, "empty"),
            "pads masked": change.pads(model, spec, "masked"),
            "guidance 1": change.guidance(1.0),
            "guidance 10": change.guidance(10.0),
            "timestep +100": change.timestep_shifted(100),
            "skips of up_blocks.0 off": change.skip_off("up_blocks.0"),
            "self-attention of mid_block off": change.attention_off("mid_block", "self"),
        }
        found = finish(counterfactuals(model, spec, list(changes.values())))
        for name, outcome, distance in zip(
            changes, found.changed, found.table()["rms_latents"][1:], strict=True
        ):
            held = [claim for claim, there in (found.plain.verdict or {}).items() if there]
            moved.setdefault(name, []).append(float(distance))
            gone = found.lost(outcome)
            lost.setdefault(name, []).extend(claim in gone for claim in held)
    for name, distances in moved.items():
        figure, gone = mean(distances), share(lost[name], len(distances))
        note = f"{figure.low:.3f} to {figure.high:.3f}, n {len(distances)}; lost {gone.value:.3f}"
        note += f" ({gone.low:.3f} to {gone.high:.3f})"
        report.add(f"effect of {name}: RMS of the latents", figure.value, note=note)


def blurred(report, model, chosen, steps, count):
    """Print how much nearer x0_pred is to the mean of draws than to a single one."""
    for place in PLACES:
        ratios, sigmas = [], []
        for number, (_, caption, _) in enumerate(chosen):
            spec = sdlab.Experiment(prompt=caption, seed=number, num_steps=steps)
            at = round(place * (steps - 1))
            found = finish(draws(model, spec, at, count=count, num_steps=15, seed=100 * number))
            ratios.append(found.distance / found.single_distance)
            sigmas.append(found.sigma)
        figure = mean(ratios)
        goal = f"<= {((1 + 1 / count) / 2) ** 0.5:.2f}"
        name = f"x0_pred from the mean of {count} over from one, sigma {fmean(sigmas):.2f}"
        note = f"{figure.low:.3f} to {figure.high:.3f}, n {len(ratios)}"
        report.add(name, figure.value, goal=goal, note=note)


def exact(report, model, repeats):
    """Print that the plain run is a run's, that no hook is left, and what a switch costs."""
    spec = sdlab.Experiment(prompt="a red car on a beach", seed=7, num_steps=8, eta=1.0)
    alone = sdlab.run(model, spec)
    found = finish(counterfactuals(model, spec, [change.skip_off("up_blocks.0", 1.0)]))
    same = [torch.equal(outcome.latents, alone.latents) for outcome in found.outcomes]
    report.add("plain run, and a skip times 1, are sdlab.run's bit for bit", all(same), goal=">= 1")
    modules = model.network.modules()
    left = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)
    report.add("hooks left in the network", left, goal="<= 0")
    switch = [SkipScaled("all", 0.5)]
    times = interleaved(
        {
            "plain": lambda: finish(running(model, spec)),
            "switched": lambda: finish(running(model, spec, switch)),
        },
        repeats,
    )
    report.add("time of a switched run over a plain one", ratio(times, "switched", "plain"))


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    quick = report.arguments.quick
    size = QUICK if quick else FULL
    model, world = sdlab.load(device=report.arguments.device), World()
    chosen = nouns(size.given)
    exact(report, model, 3 if quick else 9)
    for timestep in TIMESTEPS[1:2] if quick else TIMESTEPS:
        tables = given(model, world, chosen, timestep)
        report_overlaps(report, f"given, t {timestep}", tables)
    few = chosen[: size.generated]
    for how in ("removed",) if quick else ("removed", "masked"):
        report_overlaps(report, f"generated, {how}", generated(model, few, how, size.steps))
    effects(report, model, chosen[: size.effects], size.steps)
    blurred(report, model, chosen[: size.blurred], size.steps, size.draws)
    report.close()


if __name__ == "__main__":
    main()
