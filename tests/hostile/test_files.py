"""Every reader of a file refuses what it cannot read by ``ValueError`` or ``SdlabError`` alone."""

import json
import shutil
from functools import partial

import pytest
import torch

import sdlab
from dashboard.serving import read_serving
from dashboard.views.compare.asked_comparisons import asked
from dashboard.worker.loaded_before import LoadedBefore
from dashboard.worker.queue_on_disk import QueueOnDisk
from sdlab.comparing.result import open_result
from sdlab.errors import SdlabError
from sdlab.experiment.picture import Picture
from sdlab.explaining.reading import making_of
from sdlab.image_files import read_image
from sdlab.latents.files import latents_bytes, read_latents
from sdlab.linting.config_file import read_config
from sdlab.metadata.reading import read_parameters
from sdlab.models.footprint import _read
from sdlab.noise.custom import parse_table
from sdlab.noise.diffusers_config import read_scheduler_config
from sdlab.noise.exchange import read_curve
from sdlab.passports.reading import read_passport
from sdlab.runs.grids import open_grid
from sdlab.runs.looks import last_look
from sdlab.runs.marks import read_marks
from sdlab.runs.owners import add_owner, all_owners
from sdlab.runs.run_folder import FILES
from sdlab.solvers.model_statistics import ModelStatistics
from sdlab.sweeping.sweep_file import sweep_of_toml
from tests.conftest import SD_SCHEDULER
from tests.hostile.strategies import BOMBS, files, tried
from tests.hostile.told import tells

SPEC = sdlab.Experiment(prompt="a sun", num_steps=1, width=64, height=64)
SWEEP = b'prompts = ["a cat"]\nseeds = "0-3"\n[base]\nnum_steps = 4\n[axes]\nsolver = ["heun"]\n'
CURVE = {"curve": "karras", "num_steps": 9, "options": {"rho": 7.0}}
TABLE = b"step,sigma\n0,14.6\n1,3.1\n2,0.5\n3,0\n"
SERVING = b"max_call_seconds = 1.0\nmax_queued_runs = 50\n"
ID = "0123456789abcdef"
UPLOADS = {
    "picture": (read_image, "image.png"),
    "source": (partial(Picture.of, mode="RGB"), "image.png"),
    "parameters": (lambda data: read_parameters(data).experiment, "image.png"),
    "manifest": (lambda data: read_parameters(data).experiment, "manifest.json"),
    "passport": (read_passport, "config"),
    "making": (partial(making_of, name="a"), "image.png"),
    "config": (read_config, "config"),
    "scheduler config": (read_scheduler_config, "config"),
    "curve": (read_curve, "curve"),
    "table": (parse_table, "table"),
    "latents": (read_latents, "latents"),
    "sweep": (lambda data: sweep_of_toml(data.decode(errors="replace")), "sweep"),
}
KEPT = {
    "grid": (".grids/{}.json", lambda root: open_grid(root, ID)),
    "comparison asked for": (".dashboard/comparisons/{}.json", lambda root: asked(root, ID)),
    "comparison": (".comparisons/{}/manifest.json", lambda root: open_result(root, ID)),
    "models": (
        ".dashboard/models.json",
        lambda root: LoadedBefore(root / ".dashboard/models.json"),
    ),
    "marks": ("{}/marks.json", lambda root: read_marks(root / ID)),
    "looks": (".cache/looks.json", last_look),
    "statistics": ("a.json", lambda root: ModelStatistics.read(root / "a.json")),
    "configs": ("unet/config.json", lambda root: _read(root / "unet/config.json", "a")),
    "settings": ("serving.toml", lambda root: read_serving(root / "serving.toml")),
}
TABLES = {"queue": ".dashboard/queue.sqlite3", "owners": ".owners/owners.sqlite3"}
EXAMPLES = pytest.mark.parametrize("examples", [3, pytest.param(40, marks=pytest.mark.every)])


@pytest.fixture(scope="module")
def stored(small, tmp_path_factory):
    return sdlab.run(small, SPEC).save(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def whole(small, stored):
    """A whole file of each kind."""
    made = {name: (stored / name).read_bytes() for name in FILES}
    config, curve = json.dumps(SD_SCHEDULER).encode(), json.dumps(CURVE).encode()
    latents = latents_bytes(small, torch.zeros(1, 4, 16, 16))
    others = {"config": config, "curve": curve, "table": TABLE, "sweep": SWEEP, "latents": latents}
    return {**made, **others}


def refused(read, *places):
    """Read; what is refused is refused in a sentence."""
    try:
        read()
    except (ValueError, SdlabError) as error:
        assert str(error) and len(str(error)) < 5000
        assert not tells(str(error), *places)


@EXAMPLES
@pytest.mark.parametrize("kind", UPLOADS)
def test_any_upload(whole, kind, examples):
    read, like = UPLOADS[kind]
    tried(files(whole[like]), lambda data: refused(partial(read, data)), examples)


@pytest.mark.parametrize(
    ("name", "examples"),
    [(FILES[0], 3), *(pytest.param(name, 40, marks=pytest.mark.every) for name in FILES)],
)
def test_any_file_of_a_run(stored, whole, tmp_path, name, examples):
    folder = tmp_path / stored.name
    shutil.copytree(stored, folder)

    def look():
        made = sdlab.open_run(folder)
        assert made.image is not None
        for tensor in made.tensors:
            assert made.tensors[tensor] is not None

    def check(data):
        (folder / name).write_bytes(data)
        refused(look)
        assert len(sdlab.runs(tmp_path)) == 1

    tried(files(whole[name]), check, examples)


@pytest.mark.parametrize("kind", KEPT)
def test_any_bomb_beside_the_runs(tmp_path, kind):
    place, read = KEPT[kind]
    path = tmp_path / place.format(ID)
    path.parent.mkdir(parents=True, exist_ok=True)
    looks = b'{"wall": %s, "uptime": 0, "counted": 0, "steady": 0, "boot": "", "found": {}}'
    for data in (*BOMBS, looks % (b"9" * 400), looks % b"NaN"):
        path.write_bytes(data)
        refused(partial(read, tmp_path))


@EXAMPLES
@pytest.mark.parametrize("kind", KEPT)
def test_any_file_beside_the_runs(tmp_path, kind, examples):
    place, read = KEPT[kind]
    path = tmp_path / place.format(ID)
    path.parent.mkdir(parents=True, exist_ok=True)

    def check(data):
        path.write_bytes(data)
        refused(partial(read, tmp_path))

    tried(files(SERVING if kind == "settings" else SPEC.to_json().encode()), check, examples)


def queue_over(root):
    """Read the queue of a server that is gone, as the next one does."""
    queue = QueueOnDisk(root / TABLES["queue"], "b" * 16)
    for other in queue.others():
        queue.take_over(other)
    assert all(kept.experiment.id for kept in queue.all())
    queue.close()


def filled(root):
    """Let the tables of a store hold something."""
    before = QueueOnDisk(root / TABLES["queue"], "a" * 16)
    before.ask(SPEC, owner="ada")
    before.close()
    add_owner(root, "runs", [ID], "ada")


@EXAMPLES
@pytest.mark.parametrize("kind", TABLES)
def test_any_table_of_a_store(tmp_path, kind, examples):
    filled(tmp_path)
    path = tmp_path / TABLES[kind]
    whole = path.read_bytes()
    read = {"queue": queue_over, "owners": lambda root: all_owners(root, "runs")}[kind]

    def check(data):
        for beside in path.parent.glob(f"{path.name}*"):
            beside.unlink()
        path.write_bytes(data)
        refused(partial(read, tmp_path))

    tried(files(whole), check, examples)
