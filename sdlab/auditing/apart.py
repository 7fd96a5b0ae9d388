"""The audit of typed code, in a process of its own, with a time limit.

Only if the operator set ``SDLAB_ALLOW_CODE=1``: the code runs with the server's rights. In another
process it can be ended whatever it does, and leaves nothing behind.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sdlab.errors import SdlabError
from sdlab.solvers.plugins import ALLOW_CODE, TEXT_LIMIT

TIME_LIMIT = 180.0


def allowed() -> bool:
    """Return whether the operator allows typed code."""
    return os.environ.get(ALLOW_CODE) == "1"


def audit_of_text(text: str, seconds: float = TIME_LIMIT) -> str:
    """Return the audit of the sampler in a Python text, as a page of Markdown.

    Args:
        text: What a file would hold, with one sampler.
        seconds: How long it may take.

    Raises:
        SdlabError: If the operator has not turned it on.
        ValueError: If it is too long, does not run, has no sampler or takes too long.
    """
    if not allowed():
        raise SdlabError(
            "Typed code is not run here: it would have the server's rights. Whoever runs this"
            f" server can allow it with {ALLOW_CODE}=1; else use `sdlab audit FILE.py`."
        )
    if len(text) > TEXT_LIMIT:
        raise ValueError(f"the code must have at most {TEXT_LIMIT} characters, got {len(text)}.")
    with tempfile.TemporaryDirectory() as folder:
        source, page = Path(folder) / "typed_code.py", Path(folder) / "audit.md"
        source.write_text(text, encoding="utf-8")
        asked = [sys.executable, "-P", "-m", "sdlab.cli", "audit", str(source), "--out", str(page)]
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        try:
            done = subprocess.run(
                asked,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=seconds,
                env={**os.environ, "PYTHONPATH": path},
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"the code does not end within {seconds:g} seconds.") from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise ValueError(said[-1].removeprefix("sdlab: "))
        return page.read_text(encoding="utf-8")
