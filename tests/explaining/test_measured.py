"""What a difference costs: both run here, and the first with one thing changed."""

import pytest

import sdlab
from sdlab.comparing.divergence import along, divergence
from sdlab.errors import ModelError
from sdlab.experiment.record import Record
from sdlab.explaining.measured import finer_than, measuring
from sdlab.work import finish
from tests.explaining.files import a1111, comfyui

BASE = sdlab.Experiment(prompt="a cat", solver="dpmpp_2m", num_steps=4, seed=3)


@pytest.fixture(scope="module")
def measured(small):
    told = sdlab.explain(BASE, BASE.with_(guidance_scale=6.0, curve="karras"))
    steps = []
    work = measuring(told, small)
    return finish(work, lambda done, total: steps.append((done, total))), told, steps


def test_each_difference_is_run_alone_and_all_at_once(measured, small):
    made, told, _ = measured
    costs = {cost.what: cost for cost in made.costs}
    alone = sdlab.run(small, BASE.with_(guidance_scale=6.0, model="small"))
    first = sdlab.run(small, BASE.with_(model="small"))
    apart = (alone.latents - first.latents).double().square().mean().sqrt()
    wanted = float(apart / first.latents.double().std(correction=0))
    assert costs["Guidance scale"].distance == pytest.approx(wanted, rel=1e-6)
    assert costs["all of them at once"].distance > 0 and costs["Noise levels"].distance > 0
    assert costs["Start noise's scale"].distance is None
    assert "no field" in costs["Start noise's scale"].note
    assert len(made.costs) == len(told.differences) + 1


def test_the_unit_is_what_the_sampler_itself_is_off_by(measured, small):
    made, _, _ = measured
    first, finer = (sdlab.run(small, BASE.with_(model="small", num_steps=n)) for n in (4, 8))
    apart = (finer.latents - first.latents).double().square().mean().sqrt()
    wanted = float(apart / first.latents.double().std(correction=0))
    assert made.own_error == pytest.approx(wanted, rel=1e-6)
    table = made.table()
    shares = table["in_own_error"].dropna()
    assert shares.tolist() == sorted(shares, reverse=True)
    assert "times what the sampler itself is off by" in made.sentence


def test_where_they_part_is_what_comparisons_call_so(measured):
    made, _, _ = measured
    assert made.parting == divergence(made.a, made.b)
    assert made.along.equals(along(made.a, made.b))
    assert list(made.along) == ["evaluation", "sigma", "distance"] and len(made.along) == 4


def test_it_is_watched_and_can_be_cancelled(measured, small):
    _, told, steps = measured
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1] > 4
    work = measuring(told, small)
    next(work)
    work.close()


def test_another_programs_picture_is_run_over_its_own_levels(small):
    told = sdlab.explain(a1111(Sampler="Euler", Steps="3"), comfyui(sampler_name="euler", steps=3))
    made = finish(measuring(told, small))
    assert [len(run.trace.sigmas) for run in (made.a, made.b)] == [3, 3]
    notes = {cost.what: cost.note for cost in made.costs}
    assert "another seed" in notes["Noise of CPU or GPU"]
    assert any("at its own size" in note for note in made.notes)


def test_noise_on_the_way_has_no_own_error(small):
    x = BASE.with_(solver="euler_ancestral", num_steps=2)
    made = finish(measuring(sdlab.explain(x, x.with_(seed=4)), small))
    assert made.own_error is None and made.table()["in_own_error"].isna().all()


def test_a_table_of_sigmas_is_cut_between_its_levels():
    x = BASE.with_(curve="sigmas", curve_options={"sigmas": [14.0, 2.0, 0.1, 0.0]}, num_steps=3)
    finer = finer_than(x)
    sigmas = dict(finer.curve_options)["sigmas"]
    assert finer.num_steps == 5 and sigmas[::2] == (14.0, 2.0, 0.1) and sigmas[-1] == 0.0
    assert 2.0 < sigmas[1] < 14.0 and 0.1 < sigmas[3] < 2.0


def test_what_cannot_be_run_here_says_why(small):
    told = sdlab.explain(comfyui(denoise=0.5), BASE)
    with pytest.raises(ModelError, match="cannot be run here. It changed a picture"):
        finish(measuring(told, small))


def test_two_stored_runs_keep_their_size(small, tmp_path):
    plain = BASE.with_(model="small", width=64, height=64, num_steps=2, record=Record())
    runs = [sdlab.run(small, plain.with_(seed=seed)) for seed in (1, 2)]
    for run in runs:
        run.save(tmp_path)
    told = sdlab.explain(runs[0].id, runs[1].id[:6], root=tmp_path)
    assert [one.cause.id for one in told.differences] == ["seed"]
    made = finish(measuring(told, small))
    assert made.a.latents.shape[-1] == runs[0].latents.shape[-1] and not made.notes
