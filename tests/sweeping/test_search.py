"""A search over a sweep: a part of it is made, as Optuna proposes, and it goes on when ended."""

import builtins

import optuna
import pytest

import sdlab
from sdlab.errors import SdlabError
from sdlab.experiment.overrides import sweep_of
from sdlab.sweeping.measures import MEASURES
from sdlab.sweeping.search import FILE, Search, Space
from sdlab.sweeping.sweep import sweeping
from sdlab.sweeping.sweep_folder import SweepFolder

BASE = sdlab.Experiment(width=64, height=64, model="small", record={"tensors": []})
SPEC = sweep_of(["num_steps=4,1,3,2", "solver=ddim,heun", "seed=0-1"], BASE)
GOAL = Search("minimize: nfe", 4)


def tried(root):
    storage = f"sqlite:///{SweepFolder(root, SPEC.id).path / FILE}"
    trials = optuna.load_study(study_name=GOAL.goal, storage=storage).trials
    return [(trial.state.name, trial.value) for trial in trials]


def test_it_makes_a_part_of_the_sweep_and_finds_the_best_of_it(small, tmp_path):
    seen = []
    result = sdlab.sweep(
        small, SPEC, root=tmp_path, search=GOAL, on_progress=lambda *done: seen.append(done)
    )
    made = result.table[result.table["state"] == "done"]
    assert len(made) == 8 and seen[0] == (0, 4) and seen[-1] == (4, 4)  # both seeds of four cells
    values = [value for state, value in tried(tmp_path) if state == "COMPLETE"]
    assert min(values) == result.best(GOAL.goal)["nfe"] == made["nfe"].min()

    again = sdlab.sweep(small, SPEC, root=tmp_path, search=GOAL)
    assert (again.table["state"] == "done").sum() == 8  # nothing more than was asked for
    whole = sdlab.sweep(small, SPEC, root=tmp_path, search=Search(GOAL.goal, 99))
    assert (whole.table["state"] == "done").all()  # and no trial beyond the sweep's own cells


def test_ended_in_mid_trial_it_begins_with_that_trial(small, tmp_path):
    work = sweeping(small, SPEC, tmp_path, search=GOAL)
    for _ in range(6):
        next(work)
    work.close()
    before = tried(tmp_path)
    assert before[-1][0] == "RUNNING"
    result = sdlab.sweep(small, SPEC, root=tmp_path, search=GOAL)
    after = tried(tmp_path)
    assert after[len(before) - 1][0] == "FAIL" and after[len(before)][0] == "COMPLETE"
    assert (result.table["state"] == "done").sum() == 8


def test_what_the_model_refuses_is_a_trial_that_failed(small, tmp_path):
    spec = sweep_of(["solver=ddim,hoin,heun", "num_steps=2"], BASE)
    result = sdlab.sweep(small, spec, root=tmp_path, search=Search("minimize: contrast", 9))
    table = result.table.set_index("solver")
    assert list(table["state"]) == ["done", "failed", "done"] and "hoin" in table["error"]["hoin"]
    assert result.best("minimize: contrast")["solver"] in ("ddim", "heun")


def test_combinations_are_named_by_rank_and_words_keep_their_prompt():
    space = Space(SPEC)
    assert space.over == ("seed", "prompt") and len(space.first_cells) == 8
    assert space.place({"num_steps": 0, "solver": 1}) == (1, 1)  # the least number of steps
    assert all(space.place(space.params(place)) == place for place in space.first_cells)
    part = space.part((1, 1))
    assert {(x.num_steps, x.solver) for x in part.experiments} == {(1, "heun")}
    words = Space(sweep_of(["prompt=a car,my car", "words=car,boat", "seed=0-1"], BASE))
    assert words.over == ("seed",)
    assert {x.prompt for x in words.part((1, 1)).experiments} == {"my boat"}


@pytest.mark.parametrize(
    ("goal", "trials", "message"),
    [("nfe", 3, "A goal is"), ("minimize: nfe", 0, "trials must be a whole number from 1")],
)
def test_what_a_search_refuses(goal, trials, message):
    with pytest.raises(ValueError, match=message):
        Search(goal, trials)
    with pytest.raises(ValueError, match="at_once must be a whole number from 1"):
        Search("minimize: nfe", at_once=0)


def test_its_measure_is_added_or_unknown():
    assert Search("maximize: fidelity").with_measure({}) == {"fidelity": MEASURES["fidelity"]}
    assert Search("maximize: own").with_measure({"own": len}) == {"own": len}
    with pytest.raises(ValueError, match="Did you mean 'fidelity'"):
        Search("maximize: fidelty").with_measure({})


def test_without_optuna_it_says_how_to_install_it(small, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *given, **named):
        if name == "optuna":
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SdlabError, match=r"pip install 'sdlab\[search\]'"):
        sdlab.sweep(small, SPEC, root=tmp_path, search=GOAL)
