"""The page Inside the network with the real embedded model and a stored run."""

import time
from types import SimpleNamespace

import pandas as pd
import pytest
import streamlit as st

from dashboard.shell.lab import lab
from dashboard.views.network import ablation, blocks, every_block, switch_kinds, switches
from dashboard.views.network import time as time_section
from dashboard.views.network.contributions import contributions
from dashboard.worker.stored_runs import stored_run
from sdlab.experiment.experiment import Experiment
from sdlab.experiment.record import Record
from sdlab.work import finish
from tests.dashboard.conftest import read, run_until

SPEC = Experiment(prompt="a red car on a beach", seed=3, num_steps=3)


@pytest.fixture(scope="module")
def run(runs_folder):
    return made(SPEC)


def made(spec):
    run, end = lab().submit(spec), time.monotonic() + 240
    while (view := lab().get(run)) is not None and view.live:
        assert time.monotonic() < end
        time.sleep(0.1)
    return run


def section(open_page, name, **params):
    at = open_page("network", **{"network.section": name}, **params)
    assert not at.exception, at.exception
    assert [t.value for t in at.title] == ["Inside the network"]
    return at


def captions(at):
    return " ".join(read(c) for c in at.caption)


def test_map_and_block_of_a_stored_run(open_page, run):
    at = section(open_page, "Map", **{"network.run": run, "network.evaluation": "2"})
    at = run_until(at, lambda at: at.header)
    assert not at.error
    assert at.header[0].value == "Middle, attention, 4x4"
    said = captions(at)
    assert "mid_block.attentions.0: attention, self (4 heads), cross (4 heads), 192 ch" in said
    assert "of the network's time." in said
    assert "11.5 million parameters; a call takes 797 million multiply-adds" in said
    assert "Three colours for 192 channels: " in said
    assert "sdlab/reference/unet.py, line " in said
    assert len(at.get("vega_lite_chart")) == 2
    at.selectbox(key="network.block").set_value("time_embedding").run()
    assert any("This block has no places" in i.value for i in at.info) and not at.exception
    at.segmented_control(key="network.colour").set_value("ms").run()
    assert not at.exception


@pytest.mark.every
def test_a_run_that_kept_nothing_is_drawn_again(open_page):
    run = made(SPEC.with_(record=Record(tensors=())))
    at = section(open_page, "Map", **{"network.run": run, "network.block": "conv_out"})
    at = run_until(at, lambda at: [b for b in at.button if "again" in b.label])
    next(b for b in at.button if "again" in b.label).click().run()
    at = run_until(at, lambda at: "Three colours for 4 channels" in captions(at))
    assert not at.exception and not at.error


def test_a_click_on_the_map_chooses_the_block(monkeypatch):
    clicked = {"key": {"selection": {"pick": [{"block": "conv_in"}]}}}
    filled = {}
    monkeypatch.setattr(blocks, "fill", filled.update)
    monkeypatch.setattr(blocks, "st", SimpleNamespace(session_state=clicked))
    blocks._picked("network", "key")
    assert filled == {"network.block": "conv_in"}
    clicked["key"]["selection"]["pick"] = []  # beside the blocks
    filled.clear()
    blocks._picked("network", "key")
    assert filled == {} and blocks.st is not st


def test_without_a_run_the_page_says_where_to_make_one(open_page, run, monkeypatch):
    from dashboard.views.network import subject

    monkeypatch.setattr(subject, "latest_runs", list)
    at = run_until(section(open_page, "Map"), lambda at: at.header)
    assert any("No run of this model is stored here yet" in i.value for i in at.info)


def test_an_unknown_run_is_refused(open_page, run):
    at = section(open_page, "Map", **{"network.run": "0" * 16})
    assert "is stored here" in at.error[0].value


def test_the_time(open_page, run):
    at = section(open_page, "Time", **{"network.timestep": "250"})
    assert not at.error and len(at.get("vega_lite_chart")) == 3
    assert "96 numbers a timestep" in captions(at)
    assert "A timestep 100 away from 250 is told with a cosine of 0.9" in captions(at)
    assert "network.time.causes.start" in {button.key for button in at.button}


def test_what_wrong_times_do_is_said_of_the_figures():
    table = pd.DataFrame(
        {"change": ["as it is", "timestep -50"], "rms_pixels": [0, 31.0], "lost": ["", "red car"]}
    )
    said = time_section.what_wrong_times_do(table)
    assert "31 (timestep -50) from this run's" in said and "timestep -50 loses red car." in said


def test_activations(open_page, run):
    at = section(open_page, "Activations", **{"network.run": run})
    assert not at.error and len(at.get("vega_lite_chart")) == 4
    assert "inputs lie where SiLU falls, below -1.278" in captions(at)
    (said,) = [m.value for m in at.markdown if m.value.startswith("**Why SiLU?**")]
    nearest = ablation.distances().query("data == 'two moons'").iloc[0]
    assert f"({nearest['activation']} {nearest['distance']:.3f}, " in said
    at.button(key="network.silus.start").click().run()
    at = run_until(at, lambda at: "105 rows" in captions(at))  # 3 evaluations of 35 SiLUs
    at.multiselect(key="network.functions").set_value([]).run()
    assert any("at least one activation" in i.value for i in at.info)


def test_the_vae(open_page, run):
    at = section(open_page, "VAE")
    at = run_until(at, lambda at: "Channel 3 with -2, -1, +1, +2 added" in captions(at))
    assert not at.error
    heads = [h.value for h in at.header]
    assert heads[:2] == ["From the picture to its latents", "From the latents to the picture"]
    assert "down 3: 128 x 16 x 16" in captions(at)


@pytest.mark.every
def test_one_switch_and_the_attention_before_and_after(open_page, run):
    fields = {"network.run": run, "network.part": "Self-attention", "network.last": "1"}
    at = run_until(
        section(open_page, "Switches", **fields), lambda at: "network.causes" in keys(at)
    )
    assert not at.error
    at.button(key="network.causes.start").click().run()
    at = run_until(at, lambda at: "So what" in captions(at))
    assert "Top to bottom: the picture, x0_pred at evaluation" in captions(at)
    at.selectbox(key="network.word").set_value("car").run()
    at.button(key="network.maps.start").click().run()
    at = run_until(at, lambda at: "The two maps agree with a correlation of " in captions(at))
    assert not at.exception and not at.error


def keys(at):
    return " ".join(str(button.key) for button in at.button)


@pytest.mark.parametrize("part", ["Skip", "Cross-attention", "Activation", "Timestep", "Channels"])
def test_every_kind_of_switch_makes_its_change(embedded, part):
    settings = {
        "Skip": ("up_blocks.0", 0.5),
        "Cross-attention": ("all", 0.0),
        "Activation": ("mid_block", "relu"),
        "Timestep": (100,),
        "Channels": ("mid_block", (0, 1)),
    }[part]
    changes = switch_kinds.changes_of(part, settings, "", 1, 2, embedded, SPEC)
    assert len(changes) == (2 if part == "Timestep" else 1)
    for change in changes:
        (switch,) = change.switches
        switch.check(embedded)
        assert (switch.first, switch.last) == (1, 2)


def test_what_was_typed_wrongly_is_said(open_page, run):
    fields = {"network.run": run, "network.part": "Channels", "network.channels": "a few"}
    at = run_until(section(open_page, "Switches", **fields), lambda at: at.error)
    assert "Channels must be whole numbers such as 0, 1, 2, got 'a few'" in at.error[0].value
    fields = {"network.run": run, "network.first": "2", "network.last": "1"}
    at = run_until(section(open_page, "Switches", **fields), lambda at: at.error)
    assert "To evaluation must be at least From evaluation, got 2 to 1" in at.error[0].value


@pytest.mark.every
def test_every_part_in_turn(open_page, run):
    fields = {"network.run": run, "network.switching": "Every block in turn"}
    at = section(open_page, "Switches", **fields, **{"network.steps": "1", "network.seeds": "1"})
    at.button(key="network.every.start").click().run()
    at = run_until(at, lambda at: "The picture changes most without " in captions(at))
    assert "without last stage up, skip 1" in captions(at) and "17 rows" in captions(at)
    assert "it is drawn in 1 step, to be quick, and the run in 3" in captions(at)
    assert not at.exception and not at.error


def test_what_follows_is_said_of_what_was_measured():
    table = pd.DataFrame(
        {"rms_pixels": [0, 2.0], "lost": ["", ""], "score": [1.0, 1.0], "change": ["as it is", "x"]}
    )
    assert switches._so_what("Skip", table).startswith("The picture hardly changes")
    lost = table.assign(rms_pixels=[0, 50.0], lost=["", "red car"])
    assert switches._so_what("Skip", lost).startswith("The picture loses “red car”: ")


def test_what_each_kind_of_part_contributes_is_said_of_the_table():
    table = pd.DataFrame(
        {
            "part": ["skip", "skip", "cross-attention"],
            "rms_pixels": [10.0, 30.0, 8.0],
            "missing": [0.5, 0.0, 1.0],
        }
    )
    said = contributions(table)
    assert "without a skip 20 (10 to 30) and a cross-attention 8." in said
    assert "25% without a skip and 100% without a cross-attention." in said
    assert "objects are gone" not in contributions(table.assign(missing=float("nan")))
    named = contributions(table.replace({"part": {"cross-attention": "time embedding"}}))
    assert "and the time embedding 8." in named


def test_the_roles_of_the_parts_are_said_in_a_sentence():
    table = pd.DataFrame(
        {
            "words": ["a skip", "b cross-attention", "c self-attention"],
            "rms_pixels": [9.0, 5.0, 7.0],
            "missing": [1.0, 0.0, 0.5],
            "moved": [float("nan"), 0.1, 0.2],
            "recoloured": [float("nan"), 1.0, 0.0],
        }
    )
    assert every_block._roles(table) == (
        "The picture changes most without a skip; the object moves most without c self-attention; "
        "it changes its colour most without b cross-attention; it is gone without a skip."
    )
    nothing_known = table.assign(missing=float("nan"), moved=float("nan"))
    assert every_block._roles(nothing_known) == "The picture changes most without a skip."


def test_changes_of_the_whole_run_are_made_too(embedded):
    made = {
        "Word": switch_kinds.changes_of("Word", ("car", "hidden"), "", 0, None, embedded, SPEC),
        "Pads": switch_kinds.changes_of("Pads", (), "", 0, None, embedded, SPEC),
        "Guidance": switch_kinds.changes_of("Guidance", (1.0,), "", 0, None, embedded, SPEC),
    }
    assert {kind: [change.name for change in changes] for kind, changes in made.items()} == {
        "Word": ["“car” masked"],
        "Pads": ["pads of the empty prompt", "pads masked"],
        "Guidance": ["guidance 1"],
    }


def test_a_change_is_named_by_the_blocks_words(embedded):
    settings = ("up_blocks.2", 0.0)
    (skip,) = switch_kinds.changes_of("Skip", settings, "last stage up", 0, 1, embedded, SPEC)
    assert skip.name == "skips of last stage up off, evaluations 0 to 1"
    assert skip.switches[0].block == "up_blocks.2"


def test_why_as_it_is_differs_is_said():
    def said(apart, steps, **manifest):
        stored = SimpleNamespace(manifest=manifest)
        return every_block._differs(apart, steps, SimpleNamespace(stored=stored, experiment=SPEC))

    assert said(0.0, 3) == "" == said(0.0, 2)
    assert "drawn in 2 steps, to be quick, and the run in 3" in said(9.0, 2)
    assert "by up to 1 of 255: the run shared network calls" in said(1.0, 3, shared_calls=2)
    assert "other hardware, or by other versions" in said(1.0, 3, shared_calls=0)


@pytest.mark.every
def test_the_picture_as_it_is_is_the_stored_one_at_the_runs_own_steps(embedded, run):
    stored = stored_run(lab().runs, run).picture
    found = finish(every_block._shown(SPEC, (SPEC.seed,), ("self",), stored, embedded))
    assert found.apart == 0 and len(found.table) == 5


def test_a_block_may_be_named_in_the_address_by_its_path_or_as_shown(open_page, run):
    for named in ("conv_out", "last convolution, 16x16 (conv_out)"):
        at = section(open_page, "Map", **{"network.run": run, "network.block": named})
        at = run_until(at, lambda at: at.header)
        assert at.header[0].value == "Last convolution, 16x16" and not at.warning
