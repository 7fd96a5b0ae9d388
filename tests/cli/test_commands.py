"""The commands, each called as a person types it: what it prints, writes and refuses."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

import sdlab
from sdlab.cli import app
from sdlab.cli.terminal import any_letter, show

pytestmark = pytest.mark.slow

MINUS = ("-a cat", "-cat", "- x")
SMALL = ["--num-steps", "2", "--width", "64", "--height", "64", "--device", "cpu"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("cli") / "runs"


@pytest.fixture(scope="module")
def saved(root):
    """One real run, made through the command line with most options."""
    options = ["--negative-prompt", "rain", "--seed", "5", "--solver", "dpmpp_2m"]
    options += ["--curve", "karras", "--curve-option", "rho=5", "--guidance-scale", "3"]
    options += ["--record", "x0_pred", "--record-every", "2", "--record-dtype", "float16"]
    done = call("run", "a cat", *options, *SMALL, "--root", str(root))
    assert done.exit_code == 0, done.output
    return done


def call(*args):
    return CliRunner().invoke(app, list(args))


def sdlab_command(*args):
    return subprocess.run(
        [sys.executable, "-m", "sdlab.cli", *args], capture_output=True, text=True
    )


def test_help_is_light():
    code = (
        "import sys; from typer.testing import CliRunner; from sdlab.cli import app;"
        "print(CliRunner().invoke(app, ['--help']).exit_code,"
        "[m for m in ('torch', 'pandas', 'numpy', 'diffusers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "0 []", done.stderr


@pytest.mark.parametrize("command", ["run", "schedulers", "runs", "export", "doctor", "tokens"])
def test_every_command_has_help(command):
    assert call(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("curve", "option"),
    [
        ("formula", "formula=sigma_max*(sigma_min/sigma_max)**u"),
        ("sigmas", "sigmas=[14.6, 2.5, 0]"),
        ("points", "points=[[0, 14.6], [1, 0.03]]"),
        ("ays_sd15", "none"),
    ],
)
def test_a_persons_own_curve_runs(root, curve, option):
    options = ["--solver", "euler", "--curve", curve, "--record", "none", "--root", str(root)]
    options += [] if option == "none" else ["--curve-option", option]
    done = call("run", "a cat", *options, *SMALL)
    assert done.exit_code == 0, done.output
    first = sdlab.open_run(done.stdout.strip()).steps["sigma"].iloc[0]
    assert first == pytest.approx(14.6, rel=2e-3)


@pytest.mark.parametrize(
    ("curve", "option", "said"),
    [
        ("formula", "formula=1/u", "no value at step 0 (u = 0): division by zero"),
        ("formula", "formula=u.real", "no attributes"),
        ("formula", "formula=5", "formula must be text, got 5"),
        ("sigmas", "sigmas=[14.6, 0]", "Set num_steps to 1"),
        ("points", "points=[[0, 1], [1, 2]]", "sigma rises from 1 to 2"),
    ],
)
def test_a_curve_that_cannot_be_is_refused_in_one_line(curve, option, said):
    done = call(
        "run", "a cat", "--solver", "euler", "--curve", curve, "--curve-option", option, *SMALL
    )
    assert done.exit_code == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_run_saves_and_prints_the_folder(saved, root):
    run = sdlab.open_run(saved.stdout.strip())
    spec = run.experiment
    assert (spec.prompt, spec.negative_prompt, spec.seed) == ("a cat", "rain", 5)
    assert (spec.solver, spec.curve, dict(spec.curve_options)) == ("dpmpp_2m", "karras", {"rho": 5})
    assert (spec.record.tensors, spec.record.every) == (("x0_pred",), 2)
    assert run.image.size == (64, 64)
    assert saved.stdout.strip() == str(root / run.id)


def test_run_fast(tmp_path):
    done = call("run", "a cat", "--fast", *SMALL, "--root", str(tmp_path))
    assert sdlab.open_run(done.stdout.strip()).experiment.fast
    refused = call("run", "a cat", "--fast", "--dtype", "bfloat16", *SMALL)
    assert refused.exit_code == 2
    assert "was loaded in bfloat16. Leave fast out" in refused.stderr


@pytest.mark.parametrize(
    "args, message",
    [
        (["--solver", "hein"], "Unknown solver 'hein'. Did you mean 'heun'"),
        (["--num-steps", "0"], "num_steps must be from 1 to 10000, got 0"),
        (["--width", "65"], "width must be a multiple of 8"),
        (["--guidance-scale", "nan"], "guidance_scale must be finite"),
        (["--solver-option", "x"], "--solver-option must be NAME=VALUE, got 'x'"),
        (["--record", "x_0"], "Unknown tensor to record 'x_0'"),
        (["--device", "gpu"], "Unknown device 'gpu'"),
        (["--dtype", "int8"], "Unknown dtype 'int8'"),
    ],
)
def test_wrong_arguments_are_one_line_and_code_2(args, message, root):
    done = call("run", "x", *SMALL, *args, "--root", str(root))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_trouble_is_one_line_and_code_1(tmp_path):
    done = call("run", "x", "--model", str(tmp_path))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sdlab: ")
    assert "no model_index.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bug_keeps_its_traceback():
    from sdlab.cli.terminal import clean

    @clean
    def broken():
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        broken()


def test_schedulers_are_listed():
    done = call("schedulers")
    assert done.exit_code == 0
    assert "heun" in done.stdout
    assert "EulerDiscreteScheduler" in done.stdout
    everything = call("schedulers", "--all", "--csv")
    assert set(sdlab.schedulers()["name"]) == {
        line.split(",")[0] for line in everything.stdout.splitlines()[1:]
    }


def test_runs_are_listed(saved, root):
    done = call("runs", "--root", str(root))
    assert "a cat" in done.stdout
    assert call("runs", "--root", str(root), "--csv").stdout.startswith("\ufeffrun,created,prompt")


def test_no_runs_yet(tmp_path):
    done = call("runs", "--root", str(tmp_path / "none"))
    assert (done.exit_code, "No runs in" in done.stdout) == (0, True)


def test_export(saved, root, tmp_path):
    name = saved.stdout.strip()[-16:]
    out = tmp_path / "out"
    folders = [option for kind in ("csv", "parquet", "zip") for option in (f"--{kind}", str(out))]
    done = call("export", name[:8], *folders, "--root", str(root))
    assert done.exit_code == 0, done.stderr
    run = sdlab.open_run(saved.stdout.strip())
    assert len(done.stdout.splitlines()) == 2 * len(run.tables) + 1
    for kind, table in run.tables.items():
        pd.testing.assert_frame_equal(pd.read_parquet(out / f"{name}-{kind}.parquet"), table)
        assert len(pd.read_csv(out / f"{name}-{kind}.csv")) == len(table)
    with zipfile.ZipFile(out / f"{name}.zip") as archive:
        assert archive.testzip() is None
        inside = {n.rpartition("/")[2] for n in archive.namelist() if "/frames/" in n}
        assert {"README.txt", "x0_pred-000.png"} <= inside
    assert len(list(out.iterdir())) == 2 * len(run.tables) + 1


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["0000"], 2, "Nothing to export: pass --csv"),
        (["0000", "--csv", "x"], 1, "No run in .* begins with '0000'"),
        (["../x", "--csv", "x"], 1, "'../x' is no run id"),
    ],
)
def test_export_of_nothing(args, code, message, saved, root):
    import re

    done = call("export", *args, "--root", str(root))
    assert done.exit_code == code
    assert re.search(message, done.stderr)


def test_a_zip_says_why_it_has_no_frames(saved, root, tmp_path, monkeypatch):
    name = saved.stdout.strip()[-16:]
    asked = ("export", name, "--zip", str(tmp_path), "--root", str(root))

    def frames():
        with zipfile.ZipFile(tmp_path / f"{name}.zip") as archive:
            return [n for n in archive.namelist() if "/frames/" in n]

    assert (call(*asked, "--no-frames").stderr, frames()) == ("", [])
    monkeypatch.setattr("sdlab.cli.export.SHIPPED", {})
    assert "--frames loads it" in call(*asked).stderr and not frames()
    monkeypatch.undo()
    monkeypatch.setattr("sdlab.load", lambda source: SimpleNamespace(hash="0" * 16))
    assert "has other weights now" in call(*asked).stderr and not frames()


def test_export_needs_one_run(tmp_path):
    for digit in "12":
        (tmp_path / ("abcd" + digit * 12)).mkdir()
    done = call("export", "abcd", "--csv", "x", "--root", str(tmp_path))
    assert "Several runs begin with 'abcd'" in done.stderr


def test_export_to_a_place_that_is_a_file(saved, root, tmp_path):
    (tmp_path / "out").write_text("")
    name = saved.stdout.strip()[-16:]
    done = call("export", name, "--zip", str(tmp_path / "out"), "--root", str(root))
    assert done.exit_code == 1
    assert "cannot be written to" in done.stderr


def test_runs_root_comes_from_the_environment(saved, root, monkeypatch):
    monkeypatch.setenv("SDLAB_RUNS", str(root))
    assert "a cat" in call("runs").stdout


def test_doctor(tmp_path):
    done = call("doctor", "--root", str(tmp_path))
    assert done.exit_code == 0, done.stdout
    assert "ok    embedded model:" in done.stdout


def test_doctor_fails_with_its_fix(tmp_path):
    (tmp_path / "runs").write_text("")
    done = call("doctor", "--root", str(tmp_path / "runs"))
    assert done.exit_code == 1
    assert "fail  run folder:" in done.stdout
    assert "-> Set the environment variable SDLAB_RUNS" in done.stdout


def test_the_installed_command_and_a_seed_past_64_bits(root):
    done = sdlab_command("run", "x", "--seed", str(2**64), "--root", str(root))
    assert done.returncode == 2
    assert (
        done.stderr
        == "sdlab: seed must be from 0 to 18446744073709551615, got 18446744073709551616.\n"
    )


def test_tokens_prints_the_table(embedded):
    done = call("tokens", "a photo of a xylophonist")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:4] == ["position", "id", "piece", "text"] and rows[0][-1] == "unseen"
    assert [row[1] for row in rows[1:6]] == ["49406", "320", "1125", "539", "320"]
    assert rows[-1][1] == "49407" and "pads are not shown" in done.stderr


def test_tokens_as_csv_and_what_was_cut(embedded):
    done = call("tokens", "=cat " * 40, "--csv")
    assert done.exit_code == 0 and "are cut off" in done.stderr
    table = pd.read_csv(io.StringIO(done.stdout))
    assert len(table) == 82 and table["cut"].sum() == 5
    assert table.loc[1, "text"] == "'=", "a spreadsheet must not run it"


@pytest.mark.parametrize(
    "prompt",
    ["--a cat, a dog", "-5", *(pytest.param(p, marks=pytest.mark.every) for p in MINUS)],
)
def test_prompts_may_begin_with_a_minus(embedded, prompt):
    for args in (
        [prompt, "--all"],
        ["--model", "embedded", prompt, "--all"],
        ["--all", "--", prompt],
    ):
        done = call("tokens", *args)
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[2].split()[2].startswith("-")
    refused = call("run", "a cat", prompt, *SMALL)
    assert refused.exit_code == 2 and prompt in refused.output  # two prompts, not an option


@pytest.mark.parametrize("wrong", ["--sede", "--sede=3", "-x"])
def test_what_looks_like_an_option_is_one(embedded, wrong):
    assert call("tokens", wrong).exit_code == 2
    assert call("tokens", "--", wrong).exit_code == 0


def test_output_in_a_code_page_loses_no_letter(monkeypatch):
    """stdout as Windows gives it to ``sdlab ... > file``; and as PYTHONIOENCODING asks for it."""
    for asked, encoding in ((None, "utf-8"), ("cp1252", "cp1252")):
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
        with monkeypatch.context() as patch:
            patch.delenv("PYTHONIOENCODING", raising=False)
            if asked:
                patch.setenv("PYTHONIOENCODING", asked)
            patch.setattr(sys, "stdout", stdout)
            any_letter()
            show(pd.DataFrame({"word": ["é猫"]}), csv=False)
        stdout.flush()
        written = stdout.buffer.getvalue().decode(encoding)
        assert ("é猫" if asked is None else "é\\u732b") in written


def test_a_file_in_a_code_page_end_to_end():
    done = subprocess.run(
        [sys.executable, "-m", "sdlab.cli", "export", "猫", "--csv", "x"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert done.returncode == 1 and b"'\\u732b' is no run id" in done.stderr


def test_the_dashboards_script_is_found():
    from sdlab.cli.dashboard import entry

    assert entry() == Path(__file__).parents[2] / "streamlit_app.py"


def test_another_dashboard_is_not_taken_for_ours(monkeypatch, tmp_path):
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "dashboard", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    done = call("dashboard", "--port", "0")
    assert done.exit_code == 1 and "is no dashboard of sdlab" in done.stderr
