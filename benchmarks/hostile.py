"""Hostile input for a real server: routes, addresses, fields, uploads and what a websocket may say.

The inputs are drawn by the strategies of ``tests/hostile``, the same ones each time. After each the
answer is looked at: no traceback, no exception on a page, nothing of the server's folders. Beside
it the server's memory is watched, and in the end it must still make a picture. Options of the
command line and files of the store are tried by ``make every`` (``tests/hostile``).

    python benchmarks/hostile.py [--quick] [--json]
"""

import http.client
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from report import Report
from visitors import ROOT, Person, Server

from tests.dashboard.shell.test_hostile_routes import PATHS, requests_of
from tests.e2e.wire import Field, Visit, state
from tests.hostile.strategies import (
    BOMBS,
    files,
    floats,
    integers,
    messages,
    names,
    st,
    texts,
    tried,
)  # fmt: skip
from tests.hostile.told import tells

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
LIGHT = ("glossary", "passport")
OWN = (
    *("/_stcore/health", "/_stcore/host-config", "/_stcore/script-health-check", "/{path}"),
    *("/media/{path}", "/component/{path}", "/static/{path}", "/app/static/{path}"),
    *("/_stcore/upload_file/{a}/{b}", "/_stcore/bidi-components/{path}", "/_stcore/agent/interact"),
)
"""Streamlit's routes."""
PATIENCE = 300.0
LONGEST_CHOICE = 2000


@dataclass
class Watch:
    """What was seen so far.

    Attributes:
        server: The server.
        inputs: How many there were.
        longest: The longest answer, in seconds, and to what.
        failed: What went wrong, a line each.
        most: The most memory that the server had, in MiB.
    """

    server: Server
    inputs: int = 0
    longest: tuple[float, str] = (0.0, "")
    failed: list[str] = field(default_factory=list)
    most: float = 0.0

    def see(self, what: str, seconds: float, said: str, failed: object = None) -> None:
        """Note the answer to one input."""
        self.inputs += 1
        self.longest = max(self.longest, (seconds, what[:200]))
        self.most = max(self.most, self.server.memory())
        if failed or tells(said, self.server.root):
            self.failed.append(f"{what[:200]}: {failed or tells(said, self.server.root)}")


def surely(watch: Watch, check: Callable[[Watch, Any], None], given: Any) -> None:
    """Check one input; that no answer comes, or another than can be read, is an answer too."""
    begin = time.monotonic()
    try:
        check(watch, given)
    except Exception as error:
        seconds = time.monotonic() - begin
        watch.see(repr(given), seconds, "", f"{type(error).__name__}: {error}"[:300])


def ask(watch: Watch, request: tuple[str, str, dict[str, str]]) -> None:
    """Send a request and look at its answer."""
    method, url, headers = request
    begin = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(watch.server.url).netloc, timeout=PATIENCE)
    try:
        connection.request(method, url, headers=headers)
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
    finally:
        connection.close()
    watch.see(f"{method} {url}", time.monotonic() - begin, said, answer.status >= 500)


def look(watch: Watch, address: tuple[str, list[tuple[str, str]]]) -> None:
    """Open a page by an address."""
    page, query = address
    begin = time.monotonic()
    with Visit(f"{watch.server.url}/{page}?{urlencode(query)}") as visit:
        visit.settle(PATIENCE)
        seen(watch, f"{page} {query}", begin, visit)


def seen(watch: Watch, what: str, begin: float, visit: Visit) -> None:
    """Note what a page shows."""
    broken = [said for said in (*visit.exceptions, *visit.texts) if "Something broke" in said]
    failed = visit.exceptions or broken
    watch.see(what, time.monotonic() - begin, " ".join(visit.texts), failed)


@st.composite
def fillings(draw: st.DrawFn, known: dict[str, Field]) -> tuple[dict[str, object], bytes]:
    """Anything for some of a page's fields, and a file for whichever of them takes one."""
    keys = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=4))
    values = {key: draw(VALUES[known[key].kind](known[key])) for key in keys}
    return values, draw(st.sampled_from(BOMBS) | files(b'{"a": 1}'))


def fill(visit: Visit, watch: Watch, filling: tuple[dict[str, object], bytes]) -> None:
    """Fill some of a page's fields, or its uploader, and draw it."""
    values, data = filling
    there = {key: value for key, value in values.items() if key in visit.fields}
    uploads = [key for key in there if visit.fields[key].kind == "file_uploader"]
    begin, what = time.monotonic(), f"{visit.url}: {uploads} {there}"
    if uploads:
        kinds = visit.fields[uploads[0]].proto.type
        visit.upload(uploads[0], "a" + (kinds[0] if kinds else ".txt"), data, PATIENCE)
    else:
        visit.rerun(*(state(visit.fields[key].id, value) for key, value in there.items()))
    visit.settle(PATIENCE)
    seen(watch, what, begin, visit)
    visit.exceptions.clear()


def _number(one: Field) -> st.SearchStrategy:
    return floats if one.proto.data_type else integers.map(float)


VALUES = {
    "text_input": lambda one: texts,
    "text_area": lambda one: texts,
    "number_input": _number,
    "selectbox": lambda one: texts.map(lambda text: text[:LONGEST_CHOICE]),
    "multiselect": lambda one: st.lists(texts.map(lambda text: text[:LONGEST_CHOICE]), max_size=3),
    "checkbox": lambda one: st.booleans(),
    "file_uploader": lambda one: st.none(),
}


def say(watch: Watch, message: bytes) -> None:
    """Say something over a websocket; what is none of its protocol may close it, no more."""
    begin = time.monotonic()
    with Visit(f"{watch.server.url}/glossary") as visit:
        visit.settle(PATIENCE)
        visit.send(message)
        try:
            visit.stay(0.2)
        except ConnectionError:
            pass
        except Exception as error:  # the server has closed the connection, as it should
            if type(error).__module__.partition(".")[0] != "websockets":
                raise
        said = " ".join((*visit.texts, *visit.exceptions))
        watch.see(f"message {message[:60]!r}", time.monotonic() - begin, said)


def main() -> None:
    """Try all, and print what was seen."""
    report = Report(__doc__.splitlines()[0])
    report.head()
    few = report.arguments.quick
    with tempfile.TemporaryDirectory() as place, Server(Path(place) / "runs") as server:
        server.warm_up()
        pages = LIGHT if few else PAGES
        for page in pages:  # what each takes by itself the first time is no answer to an input
            with Visit(f"{server.url}/{page}") as visit:
                visit.settle(PATIENCE)
        before, watch = server.memory(), Watch(server)
        for path in (*PATHS, *OWN):
            tried(requests_of(path), partial(surely, watch, ask), 2 if few else 10)
        addresses = st.tuples(st.sampled_from(pages), st.lists(st.tuples(names, texts), max_size=4))
        tried(addresses, partial(surely, watch, look), 3 if few else 60)
        for page in pages:
            with Visit(f"{server.url}/{page}") as visit:
                visit.settle(PATIENCE)
                known = {key: one for key, one in visit.fields.items() if one.kind in VALUES}
                if known:
                    tried(
                        fillings(known),
                        partial(surely, watch, partial(fill, visit)),
                        3 if few else 12,
                    )
        tried(messages, partial(surely, watch, say), 3 if few else 40)
        add(report, watch, before)
    report.close()


def add(report: Report, watch: Watch, before: float) -> None:
    """Add what was seen, and whether the server still works."""
    seconds, what = watch.longest
    report.add("hostile inputs", watch.inputs, goal=">= 40" if report.arguments.quick else ">= 500")
    for line in watch.failed[:20]:
        print("  ", line)
    report.add("answers that failed, or told of the server", len(watch.failed), goal="<= 0")
    report.add("longest answer", seconds, goal="<= 5", unit="s", note=what[:60])
    more = watch.most - before
    report.add("memory, at most above what it was before", more, goal="<= 200", unit="MiB")
    person = Person(watch.server, "after all")
    made = person.once()
    person.close()
    report.add("a picture is made afterwards", made.seconds is not None, goal=">= 1")


if __name__ == "__main__":
    main()
