"""A comparison makes the engine's runs, saves and reuses them, and survives one that fails."""

import shutil

import pytest

import sdlab
from sdlab.comparing.engine_runner import engine_runner
from sdlab.comparing.model_facts import ModelFacts
from sdlab.comparing.result import open_result
from sdlab.comparing.run import comparing
from sdlab.comparing.verdict import NO_REFERENCE
from sdlab.solvers import registry

SPEC = {
    "entrants": ["euler", "dpmpp_2m"],
    "prompts": ["a parrot"],
    "budget": 3,
    "width": 64,
    "height": 64,
    "reference_steps": 4,
}


@pytest.fixture
def breaking(monkeypatch):
    """A solver that raises when it has its third prediction, of latents, not of a rehearsal's."""
    monkeypatch.setattr(registry, "_SOLVERS", dict(registry.solvers()))

    @sdlab.solver("breaking", order=1)
    def breaking(x, sigmas, noise):
        for number, sigma in enumerate(sigmas[:-1]):
            x = yield x, sigma
            if number == 2 and getattr(x, "ndim", 0) == 4 and x.numel() > 1:
                raise ArithmeticError("the third is too many")
        return x

    return "breaking"


def test_a_sampler_that_raises_in_mid_run_has_its_error_and_the_rest_finish(breaking, small):
    result = sdlab.compare(small, **{**SPEC, "entrants": ["euler", breaking], "budget": 4})
    runs = result.runs.set_index("entrant")
    assert runs["state"].to_dict() == {"euler": "done", "breaking": "failed"}
    assert runs.loc["breaking", "error"] == "the third is too many"
    assert runs.loc["euler", "distance"] > 0
    assert result.entrants.set_index("entrant").loc["breaking", "deterministic"]
    assert "breaking failed in 1 of 1 run: the third is too many." in result.verdict


def test_runs_are_those_of_the_engine(small):
    result = sdlab.compare(small, **SPEC)
    cell = result.comparison.cells(small.scheduler_config)[1]
    alone = sdlab.run(small, cell.experiment)
    batched = result.made[cell.experiment.id]
    assert float((batched.latents - alone.latents).abs().max()) < 1e-4
    assert result.runs["run"].iloc[1] == alone.id
    assert result.model_hash == small.hash


def test_twice_the_same_is_the_same(small):
    first, second = (sdlab.compare(small, **SPEC) for _ in range(2))
    for name in ("entrants", "references", "steps", "pairs", "paths", "ties"):
        assert first.tables[name].equals(second.tables[name]), name


def test_progress_ends_at_all(small):
    seen = []
    sdlab.compare(small, on_progress=lambda *of: seen.append(of), **SPEC)
    dones, totals = zip(*seen, strict=True)
    assert list(dones) == sorted(dones) and set(totals) == {2 * 3 + 7 + 3} and dones[-1] == 16


def test_saved_runs_lie_in_the_folder_and_are_not_made_again(small, tmp_path):
    first = sdlab.compare(small, save=tmp_path, **SPEC)
    assert open_result(tmp_path, first.id).verdict == first.verdict
    for key in first.ids:
        assert sdlab.open_run(tmp_path / key).id == key
    seen = []
    again = sdlab.compare(small, save=tmp_path, on_progress=lambda *of: seen.append(of), **SPEC)
    assert not seen  # nothing was left to do
    shutil.rmtree(tmp_path / first.runs["run"].iloc[0])
    again = sdlab.compare(small, save=tmp_path, on_progress=lambda *of: seen.append(of), **SPEC)
    assert seen[-1] == (3, 3)
    assert again.runs["distance"].tolist() == pytest.approx(first.runs["distance"], rel=1e-4)


def test_a_reference_of_other_weights_is_made_again(small, tmp_path):
    import json

    first = sdlab.compare(small, save=tmp_path, **SPEC)
    key = first.references["run"].iloc[0]
    file = tmp_path / key / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["model"]["hash"] = "0" * 16
    file.write_text(json.dumps(manifest))
    sdlab.compare(small, save=tmp_path, **SPEC)
    assert json.loads(file.read_text())["model"]["hash"] == small.hash


def test_the_same_noise_is_brought_to_each_schedulers_scale(small):
    """EulerDiscreteScheduler starts from noise times (sigma^2 + 1)^0.5 over "leading"."""
    names = ["euler", "EulerDiscreteScheduler", "DDIMScheduler", "LMSDiscreteScheduler"]
    found = sdlab.compare(small, **{**SPEC, "entrants": names}).steps
    start = found[found["evaluation"] == 0].set_index("entrant")
    assert sorted(start.index) == sorted(names)
    assert start["x_t_distance"].max() < 5e-4  # without its factor 0.0023
    assert start["x_t_distance"][["euler", "DDIMScheduler"]].max() < 1e-6


def test_closing_keeps_what_is_done(small, tmp_path):
    spec = sdlab.Comparison.from_dict(
        {**SPEC, "entrants": [sdlab.Entrant("euler"), sdlab.Entrant("heun")], "model": "small"}
    )
    work = comparing(spec, ModelFacts.of(small), engine_runner(small, tmp_path), tmp_path)
    while True:
        done, _ = next(work)
        if len(list(tmp_path.glob("[0-9a-f]*"))) == 1:
            break
    work.close()
    assert done < 3 + 5 + 7 + 3
    assert not (tmp_path / ".comparisons").exists()


def test_steps_are_those_that_the_evaluations_pay_for(small):
    result = sdlab.compare(small, **{**SPEC, "entrants": ["euler", "heun"], "align": "nfe"})
    assert result.cost.set_index("entrant")["nfe"].to_dict() == {"euler": 3, "heun": 3}
    assert result.cost.set_index("entrant")["num_steps"].to_dict() == {"euler": 3, "heun": 2}


def test_fields_go_on_top_of_a_comparison(small):
    spec = sdlab.Comparison([sdlab.Entrant("euler")], ["a"], width=64, height=64, model="small")
    result = sdlab.compare(small, spec, budget=2, reference_steps=4)
    assert result.comparison.budget == 2 and result.comparison.entrants == spec.entrants


def test_what_is_missing_or_unknown_is_refused(small):
    with pytest.raises(ValueError, match="prompts must be given"):
        sdlab.compare(small, entrants=["euler"])
    with pytest.raises(ValueError, match="Unknown solver 'eulr'. Did you mean 'euler'"):
        sdlab.compare(small, **{**SPEC, "entrants": ["eulr"]})
    with pytest.raises(ValueError, match="Unknown comparison field 'budgets'"):
        sdlab.compare(small, **SPEC, budgets=3)


def test_if_no_run_can_start_the_reason_is_raised(small):
    with pytest.raises(ValueError, match="num_steps must be from 1 to 1000"):
        sdlab.compare(small, **{**SPEC, "budget": 2000, "reference_steps": 4000})


def test_without_a_reference_nothing_is_ranked_and_the_samplers_are_held_against_each_other(small):
    result = sdlab.compare(small, **{**SPEC, "reference_steps": 0})
    assert result.references.empty and result.unreferenced == 0
    assert len(result.ids) == 2 and result.runs["distance"].isna().all()
    assert result.verdict[0].startswith("dpmpp_2m and euler end ")
    assert result.verdict[1] == NO_REFERENCE
    assert not any("nearest" in sentence for sentence in result.verdict)
    apart = result.pairs.set_index(["a", "b"])["distance"]
    assert apart["euler", "dpmpp_2m"] > 0


def test_without_a_reference_the_most_and_the_least_alike_are_named(small):
    asked = {**SPEC, "entrants": ["euler", "heun", "dpmpp_2m"], "reference_steps": 0}
    result = sdlab.compare(small, **asked)
    apart = result.pairs.query("a < b").sort_values("distance")
    first, last = apart.iloc[0], apart.iloc[-1]
    said = result.verdict[0]
    assert f"by {first.a} and {first.b} (" in said and f"by {last.a} and {last.b} (" in said
