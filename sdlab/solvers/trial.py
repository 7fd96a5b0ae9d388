"""Trying plug-ins in another process, which can be ended whatever they do: loop, sleep or crash.

The other process reads one plug-in a line from stdin, imports it, checks it, and answers with a
line of JSON: ``{"reasons": {solver: why it is refused, or ""}}`` or ``{"error": "..."}``. It ends
itself when a plug-in takes longer than its limit, and with the process that started it; else it
stays for the next one, which then does not wait for torch.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

# Seconds for the process to start, on a busy machine; and what it may overdraw a limit by.
START = 120.0
LATE = 124
_process: subprocess.Popen[str] | None = None

Answer = dict[str, Any]


def ready() -> subprocess.Popen[str]:
    """Return the process in which plug-ins are tried, started if there is none."""
    global _process
    if _process is None or _process.poll() is not None:
        _process = _start()
    return _process


def end() -> None:
    """End that process, if there is one."""
    global _process
    if _process is not None:
        _process.kill()
        _process.communicate()
        _process = None


def attempt(plugin: tuple[str, ...], seconds: float) -> Answer:
    """Return the answer to a plug-in; one caller at a time.

    Args:
        plugin: What the ``examine`` of ``serve`` takes.
        seconds: How long it may take.
    """
    process = ready()
    assert process.stdin is not None and process.stdout is not None
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    hanging = threading.Timer(START + seconds, stop)  # where even the other's clock stands still
    hanging.start()
    try:
        process.stdin.write(json.dumps([seconds, *plugin]) + "\n")
        process.stdin.flush()
        import torch  # noqa: F401  # which both need, at the same time

        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    finally:
        hanging.cancel()
    if line:
        answer: Answer = json.loads(line)
        return answer
    code = process.wait()
    if code == LATE or late.is_set():
        return {"error": f"does not end within {seconds:g} seconds."}
    return {"error": f"ends the process that tries it, with exit code {code}."}


def serve(examine: Callable[..., dict[str, str]]) -> None:
    """Answer for each plug-in that stdin names, until it ends.

    Args:
        examine: Returns for each solver of a plug-in why it is refused, or "".
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plug-in prints is no answer
    for line in sys.stdin:
        seconds, *plugin = json.loads(line)
        watch = threading.Timer(seconds, os._exit, [LATE])
        watch.daemon = True
        watch.start()
        try:
            answer: Answer = {"reasons": examine(*plugin)}
        except BaseException as error:  # also SystemExit: the next plug-in has its turn
            answer = {"error": one_line(error)}
        watch.cancel()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def one_line(error: BaseException) -> str:
    """Return an error with its class in one line."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(text.split())[:300]


def _start() -> subprocess.Popen[str]:
    code = "from sdlab.solvers import plugins; plugins.serve_trials()"
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl+C is for the other; this one ends with its stdin
    )
