"""A registered solver runs; what is no solver, or a bad option, is refused by name."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest
import torch

import sdlab
from sdlab.solvers import registry


@pytest.fixture
def register(monkeypatch):
    """Registrations made in a test are forgotten after it."""
    registry.solvers()
    monkeypatch.setattr(registry, "_SOLVERS", dict(registry._SOLVERS))
    return registry.solver


def test_registered_solver_runs_in_an_experiment(register, small):
    @register("halfway")
    def halfway(x, sigmas, noise, *, share=0.5):
        for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
            x0_pred = yield x, sigma
            x = x0_pred + (x - x0_pred) * (sigma_next / sigma)
        return x

    base = sdlab.Experiment(solver="euler", num_steps=3, model="small")
    run = sdlab.run(small, base.with_(solver="halfway", solver_options={"share": 0.4}))
    torch.testing.assert_close(run.latents, sdlab.run(small, base).latents, rtol=1e-5, atol=1e-5)


def test_public_decorator_is_the_registry():
    assert sdlab.solver is registry.solver


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"etta": 0.1}, r"Unknown option of solver 'ddim' 'etta'.*'eta'.*eta=0.0"),
        ({"eta": "much"}, "eta of solver 'ddim' must be a number, got 'much'"),
        ({"eta": 2.0}, "eta of solver 'ddim' must be a number from 0 to 1, got 2"),
        ({"eta": -1.0}, "eta of solver 'ddim' must be a number from 0 to 1, got -1"),
        ({"eta": True}, "eta of solver 'ddim' must be a number, got True"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        registry.solvers()["ddim"].check_options(options)


def test_asked_sigmas_tell_the_evaluations():
    sigmas = (4.0, 2.0, 1.0, 0.0)
    assert registry.solvers()["heun"].asked_sigmas(sigmas, {}) == [4.0, 2.0, 2.0, 1.0, 1.0]
    assert registry.solvers()["euler"].asked_sigmas(sigmas, {}) == [4.0, 2.0, 1.0]


def test_names_that_are_no_identifier_are_refused(register):
    with pytest.raises(ValueError, match="must be an identifier.*'my solver'"):
        register("my solver")


def test_stages_below_one_are_refused(register):
    with pytest.raises(ValueError, match="stages must be at least 1, got 0"):
        register("none", stages=0)


def test_a_negative_warmup_is_refused(register):
    with pytest.raises(ValueError, match="warmup must be at least 0, got -1"):
        register("none", warmup=-1)


def test_plain_functions_are_refused(register):
    with pytest.raises(ValueError, match="must be a generator function"):
        register("plain")(lambda x, sigmas, noise: x)


def test_endless_solvers_are_refused(register):
    @register("endless")
    def endless(x, sigmas, noise):
        while True:
            yield x, sigmas[0]

    with pytest.raises(ValueError, match="does its loop end"):
        registry.solvers()["endless"].asked_sigmas((1.0, 0.0), {})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lms", {"order": 0}, "order of solver 'lms' must be from 1 to 4, got 0"),
        ("deis", {"order": 4}, "order of solver 'deis' must be from 1 to 3, got 4"),
        ("unipc", {"order": 0}, "order of solver 'unipc' must be from 1 to 3, got 0"),
        ("unipc", {"variant": "bh3"}, "Unknown variant of solver 'unipc' 'bh3'"),
        ("edm_stochastic", {"churn": -1.0}, "churn of solver 'edm_stochastic' must be at least 0"),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        registry.solvers()[name].asked_sigmas((2.0, 1.0, 0.0), options)


def test_solvers_that_raise_are_told_by_name(register):
    @register("divider")
    def divider(x, sigmas, noise):
        yield x / (sigmas[-1] / 0), sigmas[0]

    with pytest.raises(ValueError, match="'divider' fails over sigmas from 1 to 0: ZeroDivision"):
        registry.solvers()["divider"].asked_sigmas((1.0, 0.0), {})


@pytest.mark.parametrize("name", ["dpmpp_2m", "lms", "unipc", "seeds_3"])
def test_a_step_of_no_length_is_refused_by_those_that_divide_by_it(name):
    with pytest.raises(ValueError, match=f"'{name}' divides .* sigma 5 stands twice; leave one"):
        registry.solvers()[name].asked_sigmas((9.0, 5.0, 5.0, 1.0, 0.0), {})
    assert registry.solvers()["ddim"].asked_sigmas((5.0, 5.0, 0.0), {}) == [5.0, 5.0]


def test_solvers_that_yield_something_else_are_refused(register):
    @register("odd")
    def odd(x, sigmas, noise):
        yield x

    with pytest.raises(ValueError, match=r"must yield \(x, sigma\)"):
        registry.solvers()["odd"].asked_sigmas((1.0, 0.0), {})


NEW = '''
from sdlab.solvers.registry import solver

@solver("newcomer", order=1)
def newcomer(x, sigmas, noise):
    """A solver as a file of its own."""
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
        x0_pred = yield x, sigma
        x = x0_pred + (x - x0_pred) * (sigma_next / sigma)
    return x
'''


@pytest.fixture
def added_file(register, tmp_path, monkeypatch):
    """One file more in the package ``sdlab.solvers.builtin``, and one that is not for import."""
    (tmp_path / "newcomer.py").write_text(NEW)
    (tmp_path / "not_a_solver.py").write_text("raise RuntimeError('this holds no @solver')")
    package = sys.modules["sdlab.solvers.builtin"]
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    yield
    sys.modules.pop("sdlab.solvers.builtin.newcomer", None)


def test_a_solver_added_as_one_file_is_found(added_file, small):
    assert registry.solvers()["newcomer"].order == 1
    assert registry.is_own("newcomer")
    base = sdlab.Experiment(solver="euler", num_steps=3, model="small")
    run = sdlab.run(small, base.with_(solver="newcomer"))
    torch.testing.assert_close(run.latents, sdlab.run(small, base).latents, rtol=1e-5, atol=1e-5)
    assert "newcomer" in set(sdlab.schedulers(small)["name"])


def test_looking_finds_what_importing_everything_finds(register):
    package = sys.modules["sdlab.solvers.builtin"]
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    own = {name for name, found in registry._SOLVERS.items() if registry.is_own(name)}
    code = "from sdlab.solvers.registry import solvers; print(*solvers(), sep='\\n')"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(fresh.stdout.split()) == own


def test_finding_the_solvers_needs_no_diffusers():
    code = (
        "import sys; from sdlab.solvers.registry import solvers; solvers();"
        " sys.exit('diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
