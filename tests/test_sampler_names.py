"""Everyday names of samplers lead to a solver and a curve, wherever a solver is asked for."""

import pytest

import sdlab
from sdlab.comparing.presets import preset
from sdlab.noise.curves import names
from sdlab.sampler_names import everyday, unknown_solver
from sdlab.solvers.registry import solvers

# The menus of AUTOMATIC1111 and ComfyUI, and how InvokeAI and others spell them.
MEANT = {
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "dpm++ 2m karras": ("dpmpp_2m", "karras"),
    "DPM++ SDE Karras": ("dpmpp_sde", "karras"),
    "DPM++ 2M SDE Exponential": ("dpmpp_2m_sde", "exponential"),
    "DPM++ 2M SDE SGM Uniform": ("dpmpp_2m_sde", "sgm_uniform"),
    "DPM++ 2M Align Your Steps": ("dpmpp_2m", "ays_sd15"),
    "DPM++ 3M SDE": ("dpmpp_3m_sde", "linspace"),
    "DPM++ 2S a": ("dpmpp_2s_ancestral", "linspace"),
    "DPM++ 2M Simple": ("dpmpp_2m", "trailing"),
    "DPM++ 2M Automatic": ("dpmpp_2m", "linspace"),
    "DPM-Solver++ 2M": ("dpmpp_2m", "linspace"),
    "DPM2 a Karras": ("dpm_2_ancestral", "karras"),
    "Euler": ("euler", "linspace"),
    "Euler a": ("euler_ancestral", "linspace"),
    "Euler Ancestral": ("euler_ancestral", "linspace"),
    "k_euler_a": ("euler_ancestral", "linspace"),
    "sample_dpmpp_2m": ("dpmpp_2m", "linspace"),
    "Heun": ("heun", "linspace"),
    "LMS Karras": ("lms", "karras"),
    "DDIM": ("ddim", None),
    "PLMS": ("plms", None),
    "UniPC": ("unipc", None),
    "uni_pc_bh2": ("unipc", None),
    "LCM": ("lcm", "lcm"),
    "dpmpp_2s_ancestral": ("dpmpp_2s_ancestral", "linspace"),
    "dpmpp_2m_sde_gpu": ("dpmpp_2m_sde", "linspace"),
    "dpmpp_2m sgm_uniform": ("dpmpp_2m", "sgm_uniform"),
    "euler ddim_uniform": ("euler", "leading"),
    "euler beta": ("euler", "beta"),
}


@pytest.mark.parametrize("name", MEANT)
def test_everyday_names_are_solver_and_curve(name):
    assert everyday(name) == MEANT[name]
    solver, curve = MEANT[name]
    assert solver in solvers() and curve in (None, *names())
    told = unknown_solver(name, ["x"])
    assert f"Here that is solver {solver!r}" in told and (not curve or repr(curve) in told)


@pytest.mark.parametrize("name", ["DPM fast", "DPM adaptive", "Restart", "res_multistep"])
def test_what_the_laboratory_has_not_is_said(name):
    assert everyday(name) is None
    assert "no counterpart" in unknown_solver(name, ["x"])


@pytest.mark.parametrize("name", ["", "karras", "huen", "eulerr", "K", "gpu"])
def test_other_names_are_none_of_them(name):
    assert everyday(name) is None
    assert unknown_solver("huen", ["heun"]).startswith(
        "Unknown solver 'huen'. Did you mean 'heun'? Valid"
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda name: sdlab.course(name, 4),
        lambda name: sdlab.Entrant(name),
        lambda name: sdlab.bench.errors([name], steps=[4]),
        lambda name: sdlab.check_solver(name),
        lambda name: sdlab.as_diffusers_scheduler(name),
        lambda name: sdlab.lint(name, 4),
    ],
)
def test_every_place_that_takes_a_solver_says_so(ask):
    with pytest.raises(ValueError, match="solver 'dpmpp_2m' with curve 'karras'.* Valid: "):
        ask("DPM++ 2M Karras")


def test_the_preset_is_made_of_the_same_table():
    found = {
        entrant.label: (entrant.solver, entrant.curve)
        for entrant in preset("what SD web UIs offer")
    }
    assert len(found) == 18
    assert found["DPM++ 2M Karras"] == ("dpmpp_2m", "karras")
    assert found["DDIM"] == ("ddim", "linspace")
