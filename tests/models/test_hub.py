"""Models load from a hub and its cache; trouble names the id and the fix."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from sdlab.shipped import FOLDER as EMBEDDED

from .hub_server import COMMIT, serve

pytestmark = pytest.mark.slow

# The hub's address and offline mode are read when its client is imported, so it runs apart. Each
# case is (source, options); the answer is the model's hash or the error. The option "offline" is
# what the variable HF_HUB_OFFLINE sets; after "gone" nobody answers; "plan" asks for sizes.
ASK = """
import contextlib, io, json, sys
import sdlab
from huggingface_hub import constants
NOBODY, out = "http://127.0.0.1:9", []
for source, options in json.loads(sys.argv[1]):
    constants.HF_HUB_OFFLINE = options.pop("offline", False)
    if options.pop("gone", False):
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE
        constants.HUGGINGFACE_CO_URL_TEMPLATE = template.replace(constants.ENDPOINT, NOBODY)
    try:
        if options.pop("plan", False):
            from sdlab.cli import app
            with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as said:
                app(["plan", source, "--csv"], standalone_mode=False)
                said.flush()
            out.append(["ok", said.buffer.getvalue().decode(), source])
            continue
        model = sdlab.load(source, device="cpu", **options)
        out.append(["ok", model.hash, model.name])
    except Exception as error:
        out.append([type(error).__name__, str(error), ""])
print(json.dumps(out))
"""


def ask(cases, home, endpoint=None, **extra):
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **extra}
    env.pop("HF_TOKEN", None)
    if endpoint:
        env.pop("HF_HUB_OFFLINE", None)
        env["HF_ENDPOINT"] = endpoint
    command = [sys.executable, "-c", ASK, json.dumps(cases)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The embedded model on a hub of our own, in two variants, with a pickled one beside."""
    folder = tmp_path_factory.mktemp("hub") / "repository"
    shutil.copytree(EMBEDDED, folder)
    for path in list(folder.glob("*/*.safetensors")):
        shutil.copy(path, path.with_name(f"{path.stem}.fp16.safetensors"))
        path.with_suffix(".bin").write_bytes(b"\x80\x02}q\x00.")
    server = serve(folder)
    yield server
    server.shutdown()


def by_hand(home):
    """Make a cache of a model by copying it where the hub's client would."""
    place = home / "hub" / "models--acme--byhand"
    shutil.copytree(EMBEDDED, place / "snapshots" / COMMIT)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)


@pytest.fixture(scope="module")
def answers(hub, tmp_path_factory):
    """Every case that needs the server, asked in one process."""
    home = tmp_path_factory.mktemp("home")
    by_hand(home)
    cases = {
        "sizes": ("acme/sizes", {"plan": True}),
        "plain": ("acme/parrot", {}),
        "revision": ("acme/parrot", {"revision": "v1"}),
        "variant": ("acme/parrot", {"variant": "fp16"}),
        "no token": ("acme/secret", {}),
        "wrong token": ("acme/secret", {"token": "misfit"}),
        "token": ("acme/secret", {"token": "right"}),
        "gated": ("acme/gated", {}),
        "absent": ("acme/absent", {}),
        "bare": ("acme/bare", {}),
        "later": ("acme/later", {}),
        "no revision": ("acme/parrot", {"revision": "v2"}),
        "no variant": ("acme/parrot", {"variant": "fp8"}),
        "fetched": ("acme/parrot", {"offline": True}),
        "by hand": ("acme/byhand", {"offline": True}),
        "never fetched": ("acme/absent", {"offline": True}),
        "never fetched revision": ("acme/parrot", {"revision": "v9", "offline": True}),
        "unreachable": ("acme/unreachable", {"gone": True}),
    }
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    return dict(zip(cases, ask(list(cases.values()), home, endpoint), strict=True)) | {"home": home}


@pytest.mark.parametrize("case", ["plain", "revision", "variant", "token"])
def test_hub_id_loads(answers, embedded, case):
    status, found, name = answers[case]
    assert status == "ok", found
    assert found == embedded.hash
    assert name == ("acme/secret" if case == "token" else "acme/parrot")


def test_no_pickled_file_was_fetched(answers, hub):
    assert any("safetensors" in path for path in hub.asked)
    assert not any(path.endswith(".bin") for path in hub.asked)


@pytest.mark.parametrize(
    "case, words",
    [
        ("no token", ["'acme/secret' was not found on the hub", "pass token=..."]),
        ("wrong token", ["'acme/secret' was not found on the hub"]),
        ("gated", ["'acme/gated' is gated", "accept their terms", "hf auth login"]),
        ("absent", ["'acme/absent' was not found on the hub", "misspelt, or private"]),
        ("bare", ["'acme/bare' is no diffusers pipeline", "no model_index.json"]),
        ("no revision", ["'acme/parrot' has no revision 'v2'"]),
        ("no variant", ["'acme/parrot' has no safetensors weights in the variant 'fp8'"]),
    ],
)
def test_hub_trouble_names_the_id_and_the_fix(answers, case, words):
    status, message, _ = answers[case]
    assert status == "ModelError"
    for word in words:
        assert word in message
    assert "misfit" not in message


def test_of_a_hub_id_only_the_configs_are_fetched_for_its_sizes(answers, hub):
    status, said, _ = answers["sizes"]
    assert status == "ok" and "unet,UNet2DConditionModel,11461284" in said
    asked = [path for path in hub.asked if path.startswith("/acme/sizes/resolve/")]
    assert asked and all(path.split("?")[0].endswith(".json") for path in asked)


def offline_is_the_cache(there, by_hand, absent, revision, embedded):
    assert there == ["ok", embedded.hash, "acme/parrot"]
    assert by_hand == ["ok", embedded.hash, "acme/byhand"]
    for status, message, _ in (absent, revision):
        assert status == "ModelError"
        assert "not in the local cache and the hub cannot be reached" in message


def test_offline_takes_the_cache(answers, embedded):
    """What was fetched once loads again with no network, and so does a cache made by hand."""
    names = ("fetched", "by hand", "never fetched", "never fetched revision")
    offline_is_the_cache(*(answers[name] for name in names), embedded)


@pytest.mark.every
def test_offline_is_set_by_the_hubs_own_variable(answers, embedded):
    cases = ["acme/parrot", "acme/byhand", "acme/absent"]
    cases = [*((name, {}) for name in cases), ("acme/parrot", {"revision": "v9"})]
    found = ask(cases, answers["home"], HF_HUB_OFFLINE="1")
    offline_is_the_cache(*found, embedded)


def test_an_unknown_class_is_told_before_its_weights_are_fetched(answers, hub):
    status, message, _ = answers["later"]
    assert status == "ModelError"
    assert "acme/later is a TomorrowPipeline, which diffusers" in message
    assert not any(path.startswith("/acme/later") and "safetensors" in path for path in hub.asked)


def test_unreachable_hub(answers):
    status, message, _ = answers["unreachable"]
    assert status == "ModelError"
    assert "'acme/unreachable' is not in the local cache and the hub cannot be reached" in message


@pytest.mark.every
def test_a_hub_that_was_never_reached(tmp_path):
    (answer,) = ask([("acme/parrot", {})], tmp_path, "http://127.0.0.1:9")
    assert answer[0] == "ModelError"
    assert "'acme/parrot' is not in the local cache and the hub cannot be reached" in answer[1]
