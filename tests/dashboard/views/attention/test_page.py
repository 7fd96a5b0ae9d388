"""The Attention page by AppTest, with the real embedded model behind the real worker."""

import io

import numpy as np
import pytest
from PIL import Image

from dashboard.components.heat_viewer import LEVELS, _packed
from dashboard.shell.lab import lab
from sdlab.attention import views
from sdlab.experiment.experiment import Experiment
from sdlab.runs.run_folder import open_run
from tests.dashboard.conftest import read, run_until

FAST = {"attention.steps": "3", "attention.prompt": "a red car on a beach"}


def shows_maps(at):
    return any(h.value == "What the maps tell" for h in at.header)


@pytest.fixture
def recorded(open_page):
    at = open_page("attention", **FAST)
    assert [t.value for t in at.title] == ["Attention"]
    at.button(key="attention.go").click().run()
    return run_until(at, shows_maps)


@pytest.mark.every
def test_a_prompt_left_by_the_click_itself_is_what_runs(open_page):
    at = open_page("attention", **FAST)
    at.text_area(key="attention.prompt").set_value("a typed sun")
    at.button(key="attention.go").click().run()
    run_until(at, shows_maps)
    assert open_run(lab().runs / "".join(at.query_params["run"])).experiment.prompt == "a typed sun"


def test_a_run_shows_its_maps_and_tables(recorded):
    at = recorded
    assert not at.exception and not at.error
    words = at.get("button_group")
    assert any("car" in str(group) for group in words)
    table = at.dataframe[-1].value
    assert {"layer", "mass", "entropy", "word"} <= set(table.columns)
    assert table["evaluation"].nunique() == 3


@pytest.mark.parametrize(
    ("view", "tables"),
    [
        ("Over the steps", {"Shares (CSV)", "Words (CSV)", "Settled (CSV)"}),
        ("Words against words", {"Word overlap (CSV)"}),
        ("Layers and heads", {"Ranking (CSV)"}),
    ],
)
def test_every_view_draws_and_gives_its_tables(recorded, view, tables):
    at = recorded
    at.segmented_control(key="attention.view").set_value(view).run()
    assert not at.exception and not at.error
    assert tables | {"CSV", "car: mask", "car: overlay"} <= downloads(at)


def test_overlaps_are_of_words_or_tokens(recorded):
    at = recorded
    at.segmented_control(key="attention.view").set_value("Words against words").run()
    at.segmented_control(key="attention.overlap_by").set_value("token").run()
    assert not at.exception and not at.error
    labels = {button.proto.label for button in at.get("download_button")}
    assert "Token overlap (CSV)" in labels
    chart = at.get("vega_lite_chart")[0].proto
    assert "0 start" in str(chart) and "2 red" in str(chart)


def test_the_area_s_threshold_is_chosen(recorded):
    at = recorded
    half = at.dataframe[-1].value["area"]
    at.slider(key="attention.area").set_value(0.2).run()
    assert not at.exception and not at.error
    assert (at.dataframe[-1].value["area"] >= half).all()
    assert at.dataframe[-1].value["area"].mean() > half.mean()


def test_a_phrase_is_one_word_and_an_unknown_one_is_told(recorded):
    at = recorded
    at.text_input(key="attention.phrase").set_value("red car").run()
    assert not at.error and shows_maps(at)
    at.text_input(key="attention.phrase").set_value("blue car").run()
    assert "no word 'blue car'" in read(at.error[0])


def test_a_run_without_attention_offers_to_record_it(open_page):
    plain = Experiment(prompt="a cat", num_steps=2, seed=4)
    run = lab().submit(plain)
    at = open_page("attention", run=run)
    run_until(at, lambda a: any(b.key == "attention.again_recorded" for b in a.button))
    at.button(key="attention.again_recorded").click().run()
    run_until(at, shows_maps)
    assert not at.error
    import sdlab

    again = at.query_params["run"]
    again = again[0] if isinstance(again, list) else again
    assert again != run
    maps = sdlab.open_run(lab().runs / again).trace.attention
    assert [layer.size for layer in maps.self_layers][:1] == ["16x16"]
    pictures = [np.asarray(sdlab.open_run(lab().runs / r).image) for r in (run, again)]
    assert (pictures[0] == pictures[1]).all()


def test_a_given_picture_is_looked_at_once(open_page):
    at = open_page("attention", **{"attention.of": "A given picture"})
    run_until(at, shows_maps)
    assert not at.exception and not at.error
    start = views.best("embedded").given_timestep
    assert at.dataframe[-1].value["timestep"].unique().tolist() == [start]
    assert any("A single evaluation" in i.value for i in at.info)


def test_an_unknown_run_is_told(open_page):
    at = open_page("attention", run="0000000000000000")
    assert any("No run" in i.value for i in at.info)
    assert not at.exception


def test_frames_reach_the_browser_within_half_a_level():
    import base64

    frames = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    packed = _packed("car", frames, frames.mean(0))
    levels = np.frombuffer(base64.b64decode(packed["frames"]), "<u2").reshape(4, 4, 5)
    back = levels / LEVELS * packed["top"]
    np.testing.assert_allclose(back[:3], frames, atol=0.51 / LEVELS)
    np.testing.assert_allclose(back[3], frames.mean(0), atol=0.51 / LEVELS)


def test_no_attention_at_all_is_no_division_by_zero():
    packed = _packed("car", np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.float32))
    assert packed["top"] == 0


def test_an_overlay_is_a_picture(recorded):
    from dashboard.views.attention.run_subject import open_maps
    from sdlab.attention.pictures import STOPS, mask, overlay

    run = recorded.query_params["run"]
    folder = lab().runs / (run[0] if isinstance(run, list) else run)
    maps = open_maps(str(folder), folder.stat().st_mtime)
    picture = Image.open(io.BytesIO((folder / "image.png").read_bytes()))
    heat = maps.heatmap("red car", layer="1/1")
    found = np.asarray(overlay(picture, heat, opacity=0.7, threshold=0.5)).astype(int)
    under = np.asarray(picture.convert("RGB")).astype(int)
    inside = np.asarray(mask(heat, picture.size, 0.5)) == 255
    assert 0 < inside.mean() < 0.9
    assert (found[~inside] == under[~inside]).all()
    tint = (found - 0.3 * under)[inside] / 0.7  # what was laid over, within a unit of rounding
    assert (found[inside] != under[inside]).any(axis=-1).mean() > 0.9
    stops = np.array(STOPS)[4:]  # from half of the largest value on
    assert (tint > stops.min(0) - 2).all() and (tint < stops.max(0) + 2).all()


def test_words_of_any_spelling_reach_the_npz(open_page):
    from dashboard.views.attention.files import _arrays
    from dashboard.views.attention.subject import Subject
    from dashboard.views.attention.viewer import Look

    at = open_page("attention", **{**FAST, "attention.prompt": "a file ! a red-car"})
    at.button(key="attention.go").click().run()
    run_until(at, shows_maps)
    assert not at.exception
    from dashboard.views.attention.run_subject import open_maps

    run = at.query_params["run"]
    folder = lab().runs / (run[0] if isinstance(run, list) else run)
    maps = open_maps(str(folder), folder.stat().st_mtime)
    subject = Subject("npz", "npz", b"", (128, 128), "", "embedded", maps, folder)
    words = (("file", (2,)), ("!", (3,)), ("evaluations", (4,)))
    held = _arrays(subject, Look(words, None, None, "cond", (0, 1, 2)))
    assert held["words"].tolist() == ["file", "!", "evaluations"]
    assert held["maps"].shape == (3, 3, 16, 16)
    np.savez_compressed(io.BytesIO(), **held)


def test_a_negative_prompt_has_maps_of_its_own(open_page):
    at = open_page("attention", **FAST, **{"attention.negative": "a blue cat"})
    at.toggle(key="attention.both").set_value(True).run()
    at.button(key="attention.go").click().run()
    run_until(at, shows_maps)
    assert {"car: mask"} <= downloads(at) and "cat: mask" not in downloads(at)
    at.segmented_control(key="attention.half").set_value("uncond").run()
    assert not at.exception and not at.error
    assert {"blue: mask", "cat: mask"} <= downloads(at) and "car: mask" not in downloads(at)
    maps = shown_run_of(at).trace.attention
    at.segmented_control(key="attention.view").set_value("Words against words").run()
    drawn = str(at.get("vega_lite_chart")[0].proto)
    assert '"cat"' in drawn.replace("\\", "") and "beach" not in drawn
    heats = [maps.heatmap(2, half=half) for half in ("cond", "uncond")]
    assert not np.allclose(*heats)


def downloads(at) -> set[str]:
    return {button.proto.label for button in at.get("download_button")}


def shown_run_of(at):
    import sdlab

    run = at.query_params["run"]
    return sdlab.open_run(lab().runs / (run[0] if isinstance(run, list) else run))


def test_layers_and_steps_are_chosen_and_counted_before_the_run(open_page):
    at = open_page("attention", **{**FAST, "attention.steps": "6"})
    first = next(c.value for c in at.caption if c.value.startswith("Keeps"))
    assert ", 6 of 6 evaluations" in first
    layers = at.multiselect(key="attention.layers_of_7")
    assert layers.options[:3] == [f"all of {n}x{n} cells" for n in (16, 8, 4)]
    layers.set_value(["1/2", "mid_block.attentions.0.transformer_blocks.0.attn2"]).run()
    at.multiselect(key="attention.self_of_7").set_value(["1/4"]).run()
    at.segmented_control(key="attention.kept").set_value("every k-th").run()
    at.number_input(key="attention.every").set_value(4).run()
    said = next(c.value for c in at.caption if c.value.startswith("Keeps"))
    assert ", 3 of 6 evaluations" in said and said != first
    at.button(key="attention.go").click().run()
    run_until(at, shows_maps)
    maps = shown_run_of(at).trace.attention
    assert maps.evaluations == (0, 4, 5) and maps.resolutions == ["8x8", "4x4"]
    assert [layer.size for layer in maps.self_layers] == ["4x4"]
    planned = sum(t.numel() * t.element_size() for t in maps.tensors.values())
    assert f"**{planned / 1024:.1f} KiB**" in said


def test_a_record_beyond_its_cap_cannot_be_started(open_page):
    at = open_page(
        "attention",
        **{**FAST, "attention.heads": "all", "attention.tokens": "all", "attention.cap": "1"},
    )
    at.number_input(key="attention.steps").set_value(50).run()
    assert "more than the cap of 1.0 MiB" in read(at.error[0]) and not at.exception
    assert at.button(key="attention.go").disabled


def test_other_weights_under_the_same_name_show_their_own_maps(recorded, monkeypatch):
    from dashboard.shell.lab import find
    from dashboard.views.attention import page as view

    seen = []
    monkeypatch.setattr(view, "_stage", lambda subject: seen.append(subject.key) or (None, None))
    recorded.run()
    run = seen[0].split()[0]
    stored = find(run)
    manifest = stored.folder / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace(stored.manifest["model"]["hash"], "0123456789abcdef")
    )
    recorded.run()
    assert seen[0] != seen[-1] and "0123456789abcdef" in seen[-1]


def test_markdown_from_the_address_stays_text(recorded):
    recorded.text_input(key="attention.phrase").set_value("**b** ![x](y)").run()
    assert r"\*\*b\*\* \!\[x\]\(y\)" in recorded.error[0].value


def test_the_page_starts_from_the_best_layers_and_all_steps(open_page, monkeypatch):
    layer = "up_blocks.2.attentions.0.transformer_blocks.0.attn2"
    best = views.Best(layer, (0.5, 1.0), "1/2", 300)
    monkeypatch.setitem(views.BEST, "embedded", best)
    at = open_page("attention", **{**FAST, "attention.steps": "4"})
    at.button(key="attention.go").click().run()
    run_until(at, shows_maps)
    assert at.select_slider(key="attention.mean_from_0_of_4").value == (0, 3)
    about = at.select_slider(key="attention.mean_from_0_of_4").help
    assert about.endswith("found best by evaluations 2 to 3.")
    assert at.selectbox(key="attention.layer").value == layer
    at.select_slider(key="attention.mean_from_0_of_4").set_value((1, 1)).run()
    assert not at.exception and not at.error


def test_means_are_of_the_chosen_evaluations(recorded):
    from dashboard.views.attention.subject import Subject
    from dashboard.views.attention.viewer import Look, look_frames

    maps = shown_run_of(recorded).trace.attention
    subject = Subject("means", "", b"", (128, 128), "", "embedded", maps, None)
    look = Look((("car", (3,)),), "1/1", None, "cond", (1, 2))
    frames, mean = look_frames(subject, look, (3,))
    np.testing.assert_allclose(mean, frames[1:].mean(0))
    np.testing.assert_allclose(mean, maps.heatmap("car", **look.choice), atol=1e-6)


@pytest.mark.parametrize(
    ("kept", "chosen", "said"),
    [
        ((0, 1, 2), (1, 2), "mean of 2 of the 3 evaluations, 1 to 2"),
        ((0, 1, 2), (0, 1, 2), "mean of 3 evaluations"),
        ((0, 1, 2), (1,), "evaluation 1, one of 3"),
        ((9,), (9,), "evaluation 9"),
        ((0,), (0,), "evaluation 0"),
        ((0, 5, 10, 15), (5, 10, 15), "mean of 3 of the 4 kept evaluations, 5 to 15"),
        ((0, 5, 10, 15), (0, 5, 10, 15), "mean of the 4 kept evaluations, 0 to 15"),
        ((0, 3, 6, 9), (9,), "evaluation 9, one of 4 that were kept"),
    ],
)
def test_what_a_mean_is_of_is_said_truly(kept, chosen, said):
    from dashboard.views.attention.viewer import mean_in_words
    from sdlab.attention.maps import AttentionMaps, MapsSource
    from sdlab.experiment.attention_record import AttentionRecord

    numbers = tuple(map(float, kept))
    facts = MapsSource(AttentionRecord(), (4, 4), (), kept, kept, numbers, numbers)
    assert mean_in_words(AttentionMaps(facts, {}, {}), chosen) == said
