"""`sdlab lint`: what it says of a schedule, whose times it judges, and what it refuses."""

import pytest
from typer.testing import CliRunner

from sdlab.cli import app

pytestmark = pytest.mark.slow


def call(*args):
    return CliRunner().invoke(app, list(args))


def test_lint_tells_and_is_content_without_errors():
    done = call(
        "lint", "DDIMScheduler", "--num-steps", "10", "--option", "timestep_spacing=linspace"
    )
    assert done.exit_code == 0, done.stderr
    assert "warning  spacing-mismatch: 9 of 9 transitions" in done.stdout
    assert "-> Use leading spacing" in done.stdout


def test_lint_ends_with_code_1_where_there_is_an_error():
    options = ["use_karras_sigmas=true", "solver_order=3", "final_sigmas_type=sigma_min"]
    given = [part for text in (*options, "lower_order_final=false") for part in ("--option", text)]
    done = call("lint", "DPMSolverMultistepScheduler", "--num-steps", "10", *given, "--csv")
    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout.splitlines()[1].startswith("not-finite,error,9,")


def test_lint_knows_flow_matching(tmp_path):
    from diffusers import FlowMatchEulerDiscreteScheduler

    file = tmp_path / "scheduler_config.json"
    FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True).save_config(tmp_path)
    asked = ("lint", "FlowMatchEulerDiscreteScheduler", "--num-steps", "10", "--config", str(file))
    done = call(*asked, "--tokens", "1024", "--mu", "1.15")
    assert "mu-unlike-size: mu is 1.15, and 1,024 tokens have 0.63" in done.stdout
    assert "terminal-snr" not in done.stdout and "mu-assumed" not in done.stdout
    assert "mu-assumed" in call(*asked).stdout


def test_lint_knows_the_times_that_the_pipeline_around_a_config_hands_over(tmp_path):
    from diffusers import FlowMatchEulerDiscreteScheduler

    file = tmp_path / "scheduler" / "scheduler_config.json"
    FlowMatchEulerDiscreteScheduler(shift=3.0).save_config(file.parent)
    asked = ("lint", "FlowMatchEulerDiscreteScheduler", "--num-steps", "8", "--config", str(file))
    alone = call(*asked)
    assert "not in a pipeline's folder" in alone.stderr and "large-last-jump" not in alone.stdout
    index = tmp_path / "model_index.json"
    index.write_text('{"_class_name": "FluxPipeline"}')
    within = call(*asked)
    assert "of FluxPipeline, with the times that it hands over" in within.stderr
    assert "large-last-jump: The last step goes from t 0.3 to 0 at once." in within.stdout
    assert call(*asked, "--curve", "karras").stderr == ""
    index.write_text('{"_class_name": "StableDiffusion3Pipeline"}')
    own = call(*asked)
    assert "hands over no times of its own" in own.stderr and own.stdout == alone.stdout
    index.write_text('{"_class_name": "NoSuchPipeline"}')
    assert "its pipeline is unknown" in call(*asked).stderr


def test_lint_reads_a_config_and_a_curve(tmp_path):
    from diffusers import DPMSolverMultistepScheduler

    DPMSolverMultistepScheduler(beta_schedule="scaled_linear", thresholding=True).save_config(
        tmp_path
    )
    config = ["--config", str(tmp_path / "scheduler_config.json")]
    done = call("lint", "DPMSolverMultistepScheduler", "--num-steps", "12", *config)
    assert done.exit_code == 1 and "error    thresholding" in done.stdout
    own = call("lint", "euler", "--num-steps", "9", "--curve", "karras", "--curve-option", "rho=1")
    assert own.exit_code == 0 and "large-step" in own.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["huen"], "Did you mean 'heun'"),
        (["euler", "--num-steps", "0"], "num_steps must be a whole number from 1 to 10000"),
        (["euler", "--config", "/no/such.json"], "/no/such.json cannot be read"),
    ],
)
def test_lint_of_what_is_not(args, message):
    done = call("lint", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
