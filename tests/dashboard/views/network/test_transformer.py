"""The page Inside the network with a tiny Stable Diffusion 3 in memory."""

import pytest

from dashboard.views.network import every_block, switch_kinds
from sdlab.anatomy.network_map import network_map
from sdlab.experiment.experiment import Experiment
from sdlab.models.model import Model
from sdlab.work import finish
from tests import flow
from tests.dashboard.conftest import model_of_pages, run_until
from tests.dashboard.views.network.test_page import captions, keys, made, section

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(runs_folder, tmp_path_factory):
    """A stored run of a tiny Stable Diffusion 3, in memory; afterwards the embedded model is."""
    with model_of_pages(flow.sd3(), tmp_path_factory.mktemp("models") / "sd3") as name:
        yield made(Experiment(prompt="a red cat", seed=3, num_steps=3, model=name))


@pytest.mark.every
def test_the_map_is_a_column_and_a_blocks_code_is_diffusers_own(open_page, run):
    at = section(open_page, "Map", **{"network.run": run, "network.evaluation": "1"})
    at = run_until(at, lambda at: [b for b in at.button if "again" in b.label])
    next(b for b in at.button if "again" in b.label).click().run()
    at = run_until(at, lambda at: "Three colours for 32 channels" in captions(at))
    assert not at.error and not at.exception
    assert at.header[0].value == "Joint block 2 of 2, 32x32"
    said = captions(at)
    assert "transformer_blocks.1: transformer layer, joint (4 heads), 32 channels" in said
    assert "diffusers/models/attention.py, lines " in said
    assert "The loaded implementation itself, as diffusers has it" in said


def test_a_block_is_left_out(open_page, run):
    fields = {"network.run": run, "network.part": "Block", "network.first": "1"}
    at = section(open_page, "Switches", **fields, **{"network.of_block": "transformer_blocks.0"})
    at = run_until(at, lambda at: "network.causes" in keys(at))
    assert not at.error, at.error
    at.button(key="network.causes.start").click().run()
    at = run_until(at, lambda at: "So what" in captions(at))
    shown = " ".join(m.value for m in at.markdown)
    assert "without joint block 1 of 2, 32x32, evaluations 1 on" in shown.replace("\\", ""), shown
    assert not at.error and not at.exception


@pytest.mark.every
def test_every_block_in_turn(open_page, run):
    fields = {"network.run": run, "network.switching": "Every block in turn"}
    at = section(open_page, "Switches", **fields, **{"network.steps": "3", "network.seeds": "1"})
    at = run_until(at, lambda at: "network.every" in keys(at))
    at.button(key="network.every.start").click().run()
    at = run_until(at, lambda at: "The picture changes most without " in captions(at))
    assert "without joint block 1 of 2, whole block" in captions(at) and "3 rows" in captions(at)
    assert "“As it is” differs" not in captions(at)


def test_a_network_is_offered_what_it_has():
    mapped = finish(network_map(Model(flow.sd3(), "sd3"), repeats=1))
    kinds = switch_kinds.kinds_of(mapped)
    assert "Skip" not in kinds and kinds[:4] == ["Block", "Attention", "MLP", "Modulation"]
    blocks = ["transformer_blocks.0", "transformer_blocks.1"]
    assert switch_kinds.blocks_with("MLP", mapped) == ["all", *blocks]
    assert switch_kinds.blocks_with("Channels", mapped) == blocks
    assert switch_kinds.block_words("MLP", ("all", 0.0), mapped) == ""
    assert every_block._offered(mapped) == ["block", "time", "joint", "mlp"]
    assert switch_kinds.block_words("MLP", (blocks[1], 0.0), mapped) == "joint block 2 of 2, 32x32"


@pytest.mark.parametrize(
    ("kind", "settings", "name"),
    [
        ("Block", ("b.0",), "without block 1"),
        ("Attention", ("b.0", "all of it", 0.5), "attention of block 1 times 0.5"),
        ("Attention", ("b.0", "cross", 0.0), "cross-attention of block 1 off"),
        (
            "Attention",
            ("b.0", "text does not see picture", 0.0),
            "text does not see picture in block 1",
        ),
        ("MLP", ("b.0", 0.0), "MLP of block 1 off"),
        ("Modulation", ("b.0",), "modulation of block 1 off"),
        ("Activation", ("b.0", "relu"), "activation relu in block 1"),
    ],
)
def test_every_kind_of_switch_makes_its_change(kind, settings, name):
    (change,) = switch_kinds.changes_of(kind, settings, "block 1", 0, None, None, None)
    assert change.name == name and change.switches[0].block == "b.0"
