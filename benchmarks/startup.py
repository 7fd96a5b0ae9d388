"""How long until something is there: `import sdlab`, the first paint, the first picture.

Each figure is of a cold process. The server runs on an empty runs folder and a free port, and a
headless Chromium that is already open asks for Home as soon as the port answers.

    python benchmarks/startup.py [--quick] [--json]
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOALS = {"import_sdlab_s": 0.3, "first_paint_s": 3.0, "first_picture_s": 15.0}
WORDS = {
    "import_sdlab_s": "import sdlab, in a fresh Python",
    "first_paint_s": "cold `streamlit run` to the first paint of Home",
    "first_picture_s": "cold `streamlit run` to the first finished picture",
}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CODE = "import time; t = time.perf_counter(); import sdlab; print(time.perf_counter() - t)"


def import_seconds(repeats: int) -> float:
    """Return the median time of ``import sdlab``."""
    command = [sys.executable, "-c", CODE]
    times = []
    for _ in range(repeats):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        times.append(float(done.stdout))
    return statistics.median(times)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(folder: Path, port: int) -> subprocess.Popen:
    """Start ``streamlit run`` on an empty runs folder."""
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    environment = {**os.environ, "SDLAB_RUNS": str(folder)}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)


def wait_for_server(server: subprocess.Popen, port: int) -> None:
    """Return once the server answers on the port."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if server.poll() is not None:
                raise RuntimeError("the server ended at once; run `make run`") from None
            time.sleep(0.02)


def chromium_path() -> str:
    """Return where the browser is; ends the script if there is none."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("needs a chromium on the PATH (apt-get install chromium)")
    return path


def startup_seconds(browser) -> tuple[float, float]:
    """Return seconds from ``streamlit run`` to the first paint and to the first picture."""
    port = free_port()
    page = browser.new_page()
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        server = start_server(Path(folder), port)
        try:
            wait_for_server(server, port)
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
            page.get_by_text("Made on this machine").wait_for(timeout=120_000)
            painted = time.perf_counter() - begin
            page.get_by_alt_text("The picture of").wait_for(timeout=120_000)
            pictured = time.perf_counter() - begin
        finally:
            server.terminate()
            server.wait(30)
            page.close()
    return painted, pictured


def measure(repeats: int) -> dict[str, float]:
    """Return the figures, medians of ``repeats`` cold starts."""
    from playwright.sync_api import sync_playwright

    figures = {"import_sdlab_s": import_seconds(repeats + 2)}
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        starts = [startup_seconds(browser) for _ in range(repeats)]
        browser.close()
    figures["first_paint_s"] = statistics.median(s[0] for s in starts)
    figures["first_picture_s"] = statistics.median(s[1] for s in starts)
    return figures


def main() -> None:
    """Measure, print the table, and with --json one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one cold start instead of three")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    options = parser.parse_args()
    figures = measure(1 if options.quick else 3)
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} CPUs seen, {load}\n")
    print("| What | Seconds | Goal | Holds |\n|---|---|---|---|")
    for name, value in figures.items():
        holds = "yes" if value <= GOALS[name] else "NO"
        print(f"| {WORDS[name]} | {value:.2f} | {GOALS[name]:g} | {holds} |")
    if options.json:
        out = {
            name: {"value": round(value, 3), "goal": GOALS[name], "holds": value <= GOALS[name]}
            for name, value in figures.items()
        }
        print(json.dumps(out))


if __name__ == "__main__":
    main()
