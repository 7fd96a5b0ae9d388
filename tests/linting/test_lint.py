"""The table of ``sdlab.lint``, and what the rehearsal measures."""

import numpy as np
import pandas as pd
import pytest

import sdlab
from sdlab.linting import COLUMNS, rules
from sdlab.linting.registry import SEVERITIES, rule
from sdlab.linting.rehearsal import rehearse
from sdlab.solvers import from_diffusers as adapter
from sdlab.solvers.catalogue import valid_names


def test_the_table_has_its_columns_and_the_gravest_first():
    table = sdlab.lint("DDIMScheduler", 10, options={"clip_sample": True})
    assert list(table.columns) == list(COLUMNS)
    assert table["step"].dtype == pd.Int64Dtype()
    ranks = [SEVERITIES.index(s) for s in table["severity"]]
    assert ranks == sorted(ranks) and ranks[0] == 0
    assert (table[["message", "explanation", "fix", "source"]].map(len) > 0).all(axis=None)


def test_steps_lie_within_the_course():
    for name in ("DDIMScheduler", "KDPM2DiscreteScheduler", "heun"):
        steps = sdlab.lint(name, 7)["step"].dropna()
        assert ((steps >= 0) & (steps < 7)).all()


def test_the_rules_are_told_in_whole_sentences():
    table = rules()
    assert table["rule"].is_unique and len(table) >= 30
    assert table["rule"].str.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*").all()
    assert set(table["severity"]) == set(SEVERITIES)
    for column in ("explanation", "details", "fix"):
        assert table[column].str.endswith(".").all(), table[~table[column].str.endswith(".")]
    assert not table["explanation"].str.contains(r"\. ").any()


def test_an_unknown_severity_is_named():
    with pytest.raises(ValueError, match="Unknown severity 'fatal'"):
        rule("x", "fatal", explanation="", details="", fix="", source="")


def test_names_and_options_are_checked_as_in_a_course():
    with pytest.raises(ValueError, match="heun"):
        sdlab.lint("huen", 5)
    with pytest.raises(ValueError, match="num_steps"):
        sdlab.lint("DDIMScheduler", 2000)
    with pytest.raises(ValueError, match="has no step"):
        sdlab.lint("ScoreSdeVeScheduler", 10)


def test_an_argument_that_is_none_is_named():
    message = r"argument of lint\(\) 'guidance'. Did you mean 'guidance_scale'.* eta, guidance"
    with pytest.raises(TypeError, match=message):
        sdlab.lint("heun", 5, guidance=7.5)


def test_a_model_takes_the_place_of_the_config(small):
    table = sdlab.lint("DDIMScheduler", 10, model=small, eta=0.5)
    assert "eta-ignored" not in set(table["rule"])
    assert "terminal-snr" in set(table["rule"])


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("name", sorted(adapter.compatible_classes()))
def test_every_scheduler_ends_each_step_where_the_next_begins(name, spacing):
    """The measured levels against the tables: an independent check of both."""
    config = {**adapter.SD_CONFIG, "timestep_spacing": spacing}
    course = sdlab.course(name, 10, config=config)
    done = rehearse(course, None, course.sigmas[0])
    assert len(done.ends) == course.nfe and not done.error
    exact = not done.stochastic
    np.testing.assert_allclose(done.ends[:-1], course.sigmas[1:], rtol=1e-3 if exact else 0.06)
    np.testing.assert_allclose(done.ends[-1], course.end, rtol=0.06, atol=1e-4)


OURS = set(valid_names()) - set(adapter.compatible_classes()) - {"ipndm_v"}


def test_ipndm_v_is_off_its_level_as_the_one_it_follows_is():
    table = sdlab.lint("ipndm_v", 12, curve="karras")
    assert table.loc[table["severity"] == "error", "rule"].tolist() == ["solver-off-level"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_no_solver_of_ours_is_off_its_level(name):
    for curve, steps in (("karras", 12), ("trailing", 30)):
        table = sdlab.lint(name, steps, curve=curve)
        assert "error" not in set(table["severity"]), table["message"].tolist()


def test_ten_of_twenty_nine_with_trailing_and_thirty_steps():
    options = {"timestep_spacing": "trailing"}
    table = sdlab.lint("DDIMScheduler", 30, options=options).set_index("rule")
    assert table.loc["spacing-mismatch", "message"].startswith("10 of 29 transitions")


def test_a_linted_course_can_still_be_run():
    course = sdlab.course("UniPCMultistepScheduler", 6)
    before = [float(s) for s in course.scheduler.sigmas]
    rehearse(course, None, course.sigmas[0])
    assert course.scheduler.step_index is None
    assert [float(s) for s in course.scheduler.sigmas] == before


ZERO_SNR = {**adapter.SD_CONFIG, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
ZERO_SNR |= {"timestep_spacing": "trailing"}


@pytest.mark.parametrize("name", ["dpmpp_sde", "euler_ancestral"])
@pytest.mark.parametrize("curve", ["trailing", "karras"])
def test_much_fresh_noise_is_not_taken_for_a_wrong_level(name, curve):
    """At sigma 400 and above the picture can hardly be measured among the noise."""
    found = sdlab.lint(name, 20, config=ZERO_SNR, curve=curve)
    assert "solver-off-level" not in set(found["rule"])


def test_a_class_that_cannot_rescale_is_judged_by_its_own_levels():
    assert sdlab.course("PNDMScheduler", 10, config=ZERO_SNR).sigmas[0] == pytest.approx(
        14.61, 0.01
    )
    assert "not-as-trained" in set(sdlab.lint("PNDMScheduler", 10, config=ZERO_SNR)["rule"])
