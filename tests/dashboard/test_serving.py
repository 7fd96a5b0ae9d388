"""The settings of a server: what its file may say, and what a mistake in it is told."""

import pytest

from dashboard.serving import VARIABLE, Serving, read_serving, serving
from dashboard.worker.limits import Limits
from sdlab.errors import StoreError
from sdlab.runs.retention import Retention


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "serving.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def unread():
    serving.cache_clear()
    yield
    serving.cache_clear()


def test_a_file_sets_what_it_names_and_leaves_the_rest(written):
    told = read_serving(written("max_queued_runs = 50\nmax_call_seconds = 1\n"))
    assert told == Serving(max_queued_runs=50, max_call_seconds=1.0)


def test_what_one_person_may_have(written):
    lines = "max_queued_runs = 5\nmax_megapixel_steps = 50\nmax_studies = 2"
    told = read_serving(written(f"{lines}\nmax_upload_mib_each = 100"))
    assert told.limits == Limits(queued_runs=5, megapixel_steps=50.0, studies=2, upload_mib=100.0)
    assert Serving().limits == Limits()
    with pytest.raises(ValueError, match="max_studies must be at least 1, got 0"):
        read_serving(written("max_studies = 0"))


def test_what_is_kept_of_the_runs(written):
    told = read_serving(
        written("keep_days = 90\nkeep_gib = 2.5\nkeep_gib_each = 1\ntrash_days = 30")
    )
    assert told.retention == Retention(days=90.0, gib=2.5, gib_each=1.0, trash_days=30.0)
    assert not Serving().retention.set
    with pytest.raises(ValueError, match="keep_days must be from 1 to"):
        read_serving(written("keep_days = 0"))


def test_the_operators_list_says_how_each_model_is_loaded(written):
    commit = "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"
    told = read_serving(
        written(
            f"""
            models_in_memory = 3
            models_gib = 12
            [[models]]
            source = "stable-diffusion-v1-5/stable-diffusion-v1-5"
            revision = "{commit}"
            variant = "fp16"
            dtype = "float16"
            [[models]]
            source = "/models/sdxl"
            offload = "model"
            tiled = true
            """
        )
    )
    hub, folder = told.models
    assert (hub.revision, hub.variant, hub.dtype, hub.is_hub_id) == (
        commit,
        "fp16",
        "float16",
        True,
    )
    assert (folder.offload, folder.tiled, folder.is_hub_id) == ("model", True, False)
    assert (told.models_in_memory, told.models_gib) == (3, 12.0)


def test_without_a_file_nothing_is_limited(monkeypatch, unread):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert serving() == Serving()
    assert serving().max_queued_runs is serving().max_megapixel_steps is None


def test_the_file_that_the_environment_names_is_read_once(monkeypatch, unread, written):
    path = written("max_queued_runs = 3")
    monkeypatch.setenv(VARIABLE, str(path))
    assert serving().max_queued_runs == 3
    path.unlink()
    assert serving().max_queued_runs == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_queud_runs = 3", "serving.toml: Unknown setting 'max_queud_runs'.*'max_queued_runs'"),
        ("max_queued_runs = 0", "serving.toml: max_queued_runs must be at least 1, got 0"),
        ("max_queued_runs = 2.5", "max_queued_runs must be a whole number, got 2.5"),
        ("max_call_seconds = 0", "max_call_seconds must be from 0.05 to 3600, got 0"),
        ("max_call_seconds = 'long'", "max_call_seconds must be a number, got 'long'"),
        ("max_megapixel_steps = 0", "max_megapixel_steps must be from 0.01 to inf, got 0"),
        ("login = 'oidcc'", "Unknown login 'oidcc'.*'oidc'"),
        ("login_header = 'two words'", "login_header must be one word, got 'two words'"),
        ("trusted_proxies = ['proxy']", "trusted_proxies must be addresses or networks.*'proxy'"),
        ("operators = 'anna'", "operators must be a list of texts"),
        ("monitors = [1]", "monitors must be a list of texts"),
        ("models = 3", "models must be tables: .*source"),
        ("models = ['a/b']", "models must be tables"),
        ("[[models]]\nsorce = 'a'", "model 1 of models: Unknown setting of a model 'sorce'"),
        ("[[models]]\nsource = 'a/b'", "revision of 'a/b' must be its commit, 40 hex digits"),
        ("[[models]]\nsource = 'a/b'\nrevision = 'main'", "40 hex digits, got 'main'"),
        ("[[models]]\nsource = 'sd15'", "must be a whole path, as /models/sd15, or a hub id"),
        ("[[models]]\nsource = '/sd'\ndtype = 'float61'", "Unknown dtype 'float61'.*'float16'"),
        ("[[models]]\nsource = '/sd'\noffload = 'all'", "Unknown offload 'all'"),
        ("[[models]]\nsource = '/sd'\ntiled = 1", "tiled must be true or false, got 1"),
        ("[[models]]\nsource = '/sd'\nrevision = 'x'", "revision is only for a hub id"),
        ("[[models]]\nsource = '/sd'\n[[models]]\nsource = '/sd'", "model 2.*listed already"),
        ("models_in_memory = 0", "models_in_memory must be at least 1, got 0"),
        ("models_gib = 0", "models_gib must be from 0.01 to inf, got 0"),
        ("max_queued_runs =", "serving.toml: Invalid value"),
    ],
)
def test_a_mistake_is_told_with_the_files_name(written, text, message):
    with pytest.raises(ValueError, match=message):
        read_serving(written(text))


def test_a_file_that_is_not_there_is_named_with_its_variable(tmp_path):
    with pytest.raises(StoreError, match="lost.toml, which SDLAB_SERVING names, cannot be read"):
        read_serving(tmp_path / "lost.toml")
