"""The stations' numbers are those of the run, and their code is that of the reference."""

import ast
import math
import re
from dataclasses import replace

import pytest
import torch

import sdlab
from dashboard.shell.navigation import entries
from dashboard.views.learn import network, noise, pictures, words
from dashboard.views.learn.lesson import Lesson, number
from dashboard.views.learn.page import STATIONS
from dashboard.views.learn.station import brief, code_of
from dashboard.worker.stored_runs import stored_run
from sdlab.models.model import Model
from tests import flow
from tests.imports import ROOT


def lesson_of(model, folder, **asked):
    run = sdlab.run(model, sdlab.Experiment(prompt="a red car", seed=3, num_steps=4, **asked))
    run.save(folder)
    return Lesson.of(stored_run(folder, run.id))


@pytest.fixture(scope="module")
def lesson(embedded, tmp_path_factory):
    return lesson_of(embedded, tmp_path_factory.mktemp("learn"), solver="ddim")


@pytest.fixture(scope="module")
def of_flow(tmp_path_factory):
    model = Model(flow.sd3(shift=3.0), "sd3")
    return lesson_of(model, tmp_path_factory.mktemp("flow"), width=64, height=64)


def figures(text):
    """The numbers that an equation holds."""
    return [float(found) for found in re.findall(r"-?\d+\.\d+|-?\d+", text)]


def test_there_are_twelve_stations_in_the_order_of_a_run():
    assert list(STATIONS) == [
        "Tokens", "Encoder", "Noise", "Schedule", "U-Net", "Attention", "Guidance", "Solver",
        "Latents", "VAE", "Training", "Variants",
    ]  # fmt: skip


@pytest.mark.parametrize("station", STATIONS.values(), ids=STATIONS)
def test_the_code_is_the_references_and_short(station):
    for name in station.code:
        found = code_of(name)
        file, line = found.where.split(", line ")
        text = (ROOT / file).read_text().splitlines()
        assert text[int(line) - 1].strip() == found.text.splitlines()[0].strip()
        assert len(found.text.splitlines()) <= 26
        assert len((ast.get_docstring(ast.parse(found.text).body[0]) or "").splitlines()) <= 1


def test_a_docstring_is_cut_to_its_first_line():
    source = 'def f(x):\n    """Return x.\n\n    At length.\n    """\n\n    return x\n'
    assert brief(source) == 'def f(x):\n    """Return x."""\n    return x'
    assert brief("def f():\n    return 1\n") == "def f():\n    return 1"


def test_the_places_of_the_prompt_add_up(lesson):
    (equation,), told = words.token_equations(lesson)
    *parts, whole = figures(equation)
    assert parts == [1, 3, 1, 72] and whole == sum(parts) == 77
    assert told.startswith("The numbers: 49406, 320, 736, 1615, 49407")


def test_the_start_is_noise_of_its_seed(lesson):
    start = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    told = noise.noise_equations(lesson)[1]
    wanted = [float(start.mean()), float(start.std(correction=0))]
    assert "1,024 numbers" in told and figures(told)[2:] == pytest.approx(wanted, abs=6e-4)


def test_the_noise_level_is_that_of_the_mixture(lesson):
    signal, share = lesson.mixture()
    sigma = float(lesson.row["sigma"])
    assert signal**2 + share**2 == pytest.approx(1) and share / signal == pytest.approx(sigma)
    _, level, mixed = noise.schedule_equations(lesson)[0]
    assert figures(level)[-1] == pytest.approx(sigma, abs=6e-4)
    assert figures(mixed) == pytest.approx([signal, 0, share], abs=6e-4)


def test_the_prediction_follows_from_the_noise(lesson):
    numbers = network.network_equations(lesson)[0][-1]
    x, share, eps, signal, x0 = figures(numbers)
    assert (x - share * eps) / signal == pytest.approx(x0, abs=0.01)


def test_guidance_is_multiplied_as_in_the_table(lesson):
    lines, _ = network.guidance_equations(lesson)
    scale, push, product = figures(lines[-1])
    assert scale == 4 and push == pytest.approx(float(lesson.row["guidance_norm"]), abs=0.006)
    assert product == pytest.approx(scale * float(lesson.row["guidance_norm"]), abs=0.006)


def test_a_run_by_ddim_went_where_the_equation_says(lesson):
    *_, by_ddim, own, apart = network.ddim_next(lesson)
    assert apart < 1e-5 and by_ddim == pytest.approx(own, abs=1e-5)
    assert "is 0.00% from DDIM's" in network.solver_equations(lesson)[1]
    last = replace(lesson, place=len(lesson.run.trace.kept) - 1)
    assert network.ddim_next(last) is None and len(network.solver_equations(last)[0]) == 1


def test_the_loss_is_that_of_the_predicted_noise(lesson):
    signal, share = lesson.mixture()
    true = (lesson.x_t - signal * lesson.latents) / share
    told = (lesson.x_t - signal * lesson.x0_pred) / share
    wanted = float((true - told).square().mean())
    row = lesson.losses.set_index("evaluation").loc[lesson.number]
    assert float(row["loss"]) == pytest.approx(wanted, rel=1e-4)
    assert figures(noise.training_equations(lesson)[0][-1])[-1] == pytest.approx(wanted, rel=1e-3)


def test_latents_are_48_times_fewer_than_pixels(lesson):
    assert figures(pictures.latent_equations(lesson)[0][0])[1:] == [4, 16, 16]
    assert number(1) == "1.000" and number(-1) == "(-1.000)"


def test_variants_have_the_same_noise_level_as_a_time(lesson):
    sigma = float(lesson.row["sigma"])
    time = figures(pictures.variant_equations(lesson)[0][-1])[-1]
    assert time / (1 - time) == pytest.approx(sigma, rel=0.01)


def test_flow_matching_is_told_by_its_own_equations(of_flow):
    signal, share = of_flow.mixture()
    assert of_flow.flow and signal + share == pytest.approx(1)
    for told in (
        noise.schedule_equations, noise.training_equations, network.network_equations,
        network.guidance_equations, network.solver_equations, pictures.latent_equations,
        pictures.variant_equations, words.token_equations,
    ):  # fmt: skip
        assert all(told(of_flow)[0])
    velocity = (of_flow.x_t - of_flow.latents) / share
    predicted = (of_flow.x_t - of_flow.x0_pred) / share
    wanted = float((velocity - predicted).square().mean())
    row = of_flow.losses.set_index("evaluation").loc[of_flow.number]
    assert float(row["loss"]) == pytest.approx(wanted, rel=1e-4)
    assert not math.isinf(float(of_flow.row["sigma"]))


def test_a_run_that_kept_no_tensors_has_no_lesson(embedded, tmp_path):
    kept = sdlab.Record(tensors=())
    assert lesson_of(embedded, tmp_path, solver="ddim", record=kept) is None


def test_a_word_is_left_out_of_several_only():
    assert words.without_last_word("a red car") == "a red"
    assert words.without_last_word("car") == "car"


def test_every_way_leads_to_a_page(lesson, runs_folder):
    for station in STATIONS.values():
        way = station.way(lesson)
        assert way.page in entries() and way.label and way.words.endswith(".")
