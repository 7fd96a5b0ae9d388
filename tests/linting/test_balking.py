"""Where diffusers' schedulers themselves balk, it is a finding, and the plan says so before."""

import pytest

import sdlab
from sdlab.errors import SchedulerError
from sdlab.models.scheduler_config import parameters
from sdlab.solvers.course import try_out
from sdlab.solvers.probing import SD_CONFIG, compatible_classes
from tests.zoo.chosen import THEIRS, cases

pytestmark = pytest.mark.slow

CHOICES = {
    "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"),
    "beta_schedule": ("linear", "squaredcos_cap_v2", "sigmoid"),
    "prediction_type": ("sample", "v_prediction"),
    "timestep_spacing": ("linspace", "trailing", "other"),
    "algorithm_type": ("deis", "dpmsolver", "sde-dpmsolver", "sde-dpmsolver++", "other"),
    "solver_type": ("midpoint", "heun", "bh1", "logrho", "other"),
    "final_sigmas_type": ("zero", "sigma_min", "other"),
    "interpolation_type": ("log_linear", "other"),
    "timestep_type": ("continuous",),
    "solver_order": (1, 2, 3, 4),
    "predictor_order": (1, 3, 4),
    "corrector_order": (1, 3, 4),
    "steps_offset": (0, 5),
    "num_train_timesteps": (50, 200),
    "flow_shift": (3.0,),
    "lambda_min_clipped": (-5.1,),
    "sigma_max": (700.0,),
}
CURVES = ("karras", "exponential", "beta")
# Short, for KDPM2 takes as long to make as it has training timesteps.
CONFIG = {**SD_CONFIG, "num_train_timesteps": 100}


def options_of(cls):
    """Every option of a class changed alone, and each with each of its own curves."""
    taken = parameters(cls)
    flags = [f"use_{curve}_sigmas" for curve in CURVES if f"use_{curve}_sigmas" in taken]
    singles = [{}]
    for name, default in taken.items():
        values = (not default,) if isinstance(default, bool) else CHOICES.get(name, ())
        singles += [{name: value} for value in values]
    return [{**single, **flag} for single in singles for flag in ({}, *({f: True} for f in flags))]


def errors_of(name, num_steps, options, config=SD_CONFIG):
    table = sdlab.lint(name, num_steps, options=options, config=config)
    return dict(table.loc[table["severity"] == "error", ["rule", "message"]].values)


@pytest.mark.parametrize("name", cases(sorted(compatible_classes()), THEIRS))
def test_whatever_an_option_does_it_is_said_in_words(name):
    refused = 0
    for options in options_of(compatible_classes()[name]):
        try:
            try_out(sdlab.course(name, 5, options=options, config=CONFIG))
        except SchedulerError as error:
            assert name in str(error) and len(str(error)) > len(name) + 30
            found = errors_of(name, 5, options, CONFIG)
            assert {"scheduler-refuses", "step-fails", "prediction-type-refused"} & set(found)
            refused += 1
    assert refused or len(options_of(compatible_classes()[name])) < 30


LEADING = {"timestep_spacing": "leading"}
COSINE = {"beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": True}
TWO = {"use_karras_sigmas": True, "use_beta_sigmas": True}
SINGULAR = {"solver_order": 3, "lower_order_final": False}
SVD = {"timestep_type": "continuous", "prediction_type": "v_prediction"}
BALKING = [
    ("DPMSolverMultistepScheduler", 1000, LEADING, "step-fails"),
    ("UniPCMultistepScheduler", 20, SINGULAR, "step-fails"),
    ("DPMSolverMultistepScheduler", 9, {"variance_type": "learned_range"}, "step-fails"),
    ("DPMSolverMultistepScheduler", 9, COSINE, "step-fails"),
    ("EulerDiscreteScheduler", 9, TWO, "scheduler-refuses"),
    ("EulerDiscreteScheduler", 9, SVD, "scheduler-refuses"),
]


@pytest.mark.parametrize(("name", "num_steps", "options", "rule"), BALKING)
def test_the_plan_says_what_lint_says(name, num_steps, options, rule, small):
    found = errors_of(name, num_steps, options)
    assert rule in found and (name in found[rule] or "At sigma" in found[rule])
    spec = sdlab.Experiment(solver=name, num_steps=num_steps, solver_options=options)
    with pytest.raises(ValueError, match=f"{name} (cannot make evaluation|refuses|with num_steps)"):
        sdlab.plan(small, spec)


@pytest.mark.parametrize(
    "name", [f"{n}Scheduler" for n in ("DEISMultistep", "UniPCMultistep", "SASolver")]
)
def test_as_many_steps_as_timesteps(name):
    assert "step-fails" in errors_of(name, 100, LEADING, CONFIG)


def test_what_goes_through_only_thanks_to_a_flag_is_no_error(small):
    options = {"solver_order": 3}
    assert errors_of("UniPCMultistepScheduler", 20, options) == {}
    table = sdlab.lint("UniPCMultistepScheduler", 20, options=options)
    assert "order-lowered" in set(table["rule"])
    sdlab.plan(small, sdlab.Experiment(solver="UniPCMultistepScheduler", solver_options=options))


def test_an_assertion_without_words_gets_some():
    with pytest.raises(
        SchedulerError, match=r"evaluation 100 of 100.*AssertionError, no word.*repeated"
    ):
        try_out(sdlab.course("UniPCMultistepScheduler", 100, config=CONFIG))


def test_a_course_can_be_run_again():
    course = sdlab.course("DPMSolverMultistepScheduler", 8)
    assert try_out(course).equal(try_out(course))
    assert course.scheduler.step_index is None


def test_the_solver_bench_says_it_too():
    with pytest.raises(SchedulerError, match="cannot make evaluation 20 of 20"):
        sdlab.bench.errors(
            "UniPCMultistepScheduler",
            steps=[20],
            options={"UniPCMultistepScheduler": SINGULAR},
        )


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            {"timestep_type": "continuous", "prediction_type": "v_prediction"},
            "Stable Video Diffusion",
        ),
        ({"steps_offset": 500}, "take fewer steps or another spacing"),
    ],
)
def test_the_remedy_fits_the_cause(entries, words):
    with pytest.raises(SchedulerError, match=words):
        sdlab.course("EulerDiscreteScheduler", 20, config={**SD_CONFIG, **entries})
    with pytest.raises(SchedulerError, match="num_train_timesteps is 2000, the model's is 1000"):
        sdlab.course("EulerDiscreteScheduler", 20, options={"num_train_timesteps": 2000})
