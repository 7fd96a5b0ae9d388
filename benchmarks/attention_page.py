"""The Attention page in a real browser: how fast maps are scrubbed, how soon a stored run is there.

Run: python benchmarks/attention_page.py [--quick] [--json]     (needs chromium on the PATH)

Runs of 50 steps with all their word maps are made and stored first. Then the server and a headless
Chromium run on this machine together. Opening: the page is open with another run; a stored run
that the server has not read yet is taken from the gallery. Timed are its maps on the screen, and
the end of everything that the page draws. Scrubbing: the slider goes through all 50 evaluations,
one step as soon as the browser has painted the last; the rate is steps by time, at most what the
browser paints (60 a second).
"""

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright
from report import Report
from startup import FLAGS, free_port, start_server

import sdlab

STEPS = 50
PROMPT = "a parrot and a red car on a beach"
IDLE = (
    "[data-testid=stApp][data-test-script-state=notRunning][data-test-connection-state=CONNECTED]"
)
SECONDS = 60_000
SCRUB = """async (root) => {
  const range = root.querySelector('.range'), mean = root.querySelector('.mean');
  if (mean.checked) { mean.checked = false; mean.dispatchEvent(new Event('input')); }
  const painted = () => new Promise((done) =>
    requestAnimationFrame(() => { const c = new MessageChannel();
      c.port1.onmessage = done; c.port2.postMessage(0); }));
  await painted();
  const last = Number(range.max), times = [], work = [];
  for (let step = 0; step <= last; step++) {
    const begin = performance.now();
    range.value = step;
    range.dispatchEvent(new Event('input'));
    work.push(performance.now() - begin);
    await painted();
    times.push(performance.now() - begin);
    if (root.dataset.frame !== String(step)) throw new Error('step ' + step + ' was not drawn');
  }
  return { times, work, maps: root.querySelectorAll('figure').length };
}"""


def make_runs(folder, count):
    """Store runs of 50 steps with their attention; return their ids."""
    model = sdlab.load(device="cpu")
    record = sdlab.Record(attention=sdlab.AttentionRecord(self_layers=("1/1",)))
    base = sdlab.Experiment(
        prompt=PROMPT, solver="ddim", num_steps=STEPS, guidance_scale=4.0, record=record
    )
    runs = sdlab.run_many(model, [base.with_(seed=seed) for seed in range(count)])
    for run in runs:
        run.save(folder)
    return [run.id for run in runs]


def open_stored(page, run):
    """Take a stored run from the gallery; return seconds to its maps, and to the end."""
    button = page.locator(f".st-key-attention-stored-{run} button").first
    if not button.is_visible():
        page.get_by_role("button", name="A stored run").click()
    button.wait_for(timeout=SECONDS)
    begin = time.perf_counter()
    button.click()
    page.locator(f".heat[data-subject^='{run}']").wait_for(timeout=SECONDS)
    shown = time.perf_counter() - begin
    page.wait_for_selector(IDLE, timeout=SECONDS)
    page.wait_for_timeout(150)
    page.wait_for_selector(IDLE, timeout=SECONDS)
    return shown, time.perf_counter() - begin - 0.15


def scrub(report, page, what):
    """Scrub through all evaluations and report the rate."""
    found = page.locator(".heat").evaluate(SCRUB)
    times, maps = found["times"], found["maps"]
    assert len(times) == STEPS
    rate = 1000 * len(times) / sum(times)
    note = f"{maps} maps; median {median(times):.1f} ms, worst {max(times):.1f}"
    note += f"; drawing alone {median(found['work']):.1f} ms"
    report.add(f"scrubbing {STEPS} steps, {what}", rate, goal=">= 30", unit="frames/s", note=note)


def choose_all_words(page):
    """Press words until the viewer shows as many maps as it can."""
    for label in ("a", "and", "on", "beach"):
        pill = page.get_by_test_id("stButtonGroup").get_by_role("button", name=label, exact=True)
        if page.locator(".heat figure").count() >= 6 or not pill.count():
            continue
        count = page.locator(".heat figure").count()
        pill.first.click()
        page.wait_for_function(
            "count => document.querySelectorAll('.heat figure').length !== count", arg=count
        )
        page.wait_for_selector(IDLE)


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("needs a chromium on the PATH (apt-get install chromium)")
    count = 3 if report.arguments.quick else 8
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        runs = make_runs(Path(folder), count)
        port = free_port()
        server = start_server(Path(folder), port)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            wait_for(port)
            page.goto(f"http://127.0.0.1:{port}/attention?run={runs[0]}")
            page.locator(".heat figure").first.wait_for(timeout=SECONDS)
            page.wait_for_selector(IDLE, timeout=SECONDS)
            times = [open_stored(page, run) for run in runs[1:]]
            shown, whole = (median(column) for column in zip(*times, strict=True))
            note = f"worst {max(t for t, _ in times):.2f} of {len(times)}"
            report.add("stored run: its maps are shown", shown, goal="<= 1.5", unit="s", note=note)
            note = f"worst {max(t for _, t in times):.2f}"
            report.add("stored run: the whole page", whole, goal="<= 1.5", unit="s", note=note)
            scrub(report, page, "the words chosen at first")
            choose_all_words(page)
            scrub(report, page, "six words")
        finally:
            browser.close()
            server.terminate()
            server.wait(30)
    report.close()


def wait_for(port):
    """Wait until the server answers."""
    import urllib.request

    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer; run `make run`")


if __name__ == "__main__":
    main()
