"""A visitor without a browser: a page of the real server over its websocket, as a browser has it.

``Visit`` opens a page by its address, presses buttons, sets fields, and runs the timers of the
parts that keep themselves up to date. It costs a hundredth of a browser's tab, so that dozens fit
on a small machine, and it can say what no browser would. One thread drives one visit: whatever
waits keeps the page alive meanwhile.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

SHORT = 0.02
"""Seconds between two looks at what is waited for."""


def browser(server: str) -> dict[str, str]:
    """Return the headers of a browser that has been at a server, by which it is known there.

    Args:
        server: Its address, such as "http://127.0.0.1:8501".
    """
    with requests.Session() as http:
        http.trust_env = False
        http.get(f"{server}/_stcore/health", timeout=120).raise_for_status()
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in http.cookies.items())}


@dataclass
class Field:
    """A widget of the page.

    Attributes:
        id: What the server knows it by.
        kind: Such as "button" or "number_input".
        proto: All that the browser is told of it.
        fragment: The part of the page that it belongs to; "" for the page itself.
    """

    id: str
    kind: str
    proto: Any
    fragment: str


@dataclass(eq=False)
class Visit:
    """One open tab.

    Args:
        url: The page's address, with its query.
        headers: Sent with the websocket's first request, such as a proxy's header of who it is.

    Attributes:
        query: What follows the "?" in the address bar, as the page has written it.
        fields: The widgets seen since the page was last drawn whole, by their keys.
        texts: What its messages say, likewise.
        progress: What stands beside the latest bar of progress.
        exceptions: Every uncaught exception that the page has shown.
        scripts: How often a script or a part of it has ended.
        places: Where the server lets files be put that it was asked for last.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    fields: dict[str, Field] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    progress: str = ""
    exceptions: list[str] = field(default_factory=list)
    scripts: int = 0
    places: list[Any] = field(default_factory=list, repr=False)
    _timers: dict[str, tuple[float, float]] = field(default_factory=dict)
    _page: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._name, self.query = parts.path.strip("/"), parts.query
        self._socket: ClientConnection = connect(
            f"ws://{parts.netloc}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=self.headers,
            origin=f"http://{parts.netloc}",  # type: ignore[arg-type]
            max_size=None,
            max_queue=None,
            open_timeout=120,
            ping_timeout=None,
            compression=None,
            proxy=None,
        )
        self.rerun()

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the tab."""
        self._socket.close()

    def parameter(self, name: str) -> str:
        """Return what the address holds under a name, or ""."""
        return parse_qs(self.query).get(name, [""])[-1]

    def rerun(self, *states: WidgetState, fragment: str = "", timed: bool = False) -> None:
        """Ask the server to draw the page, or a part of it, with the fields' new states."""
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_script_hash = self.query, self._page
        asked.page_name = "" if self._page else self._name
        asked.fragment_id, asked.is_auto_rerun = fragment, timed
        asked.widget_states.widgets.extend(states)
        self.send(message.SerializeToString())

    def send(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        self._socket.send(data)

    def press(
        self, key: str, values: Mapping[str, Any] | None = None, *, within: float = 120
    ) -> None:
        """Press a button once it is there and can be pressed.

        Args:
            key: The button's.
            values: What is typed into other fields before, by their keys.
            within: Seconds to wait for it.

        Raises:
            TimeoutError: If it cannot be pressed within the seconds.
        """
        self.wait(lambda: key in self.fields and not self.fields[key].proto.disabled, within)
        button = self.fields[key]
        states = [state(self.fields[name].id, value) for name, value in (values or {}).items()]
        pressed = WidgetState(id=button.id, trigger_value=True)
        self.rerun(*states, pressed, fragment=button.fragment)

    def settle(self, seconds: float = 120.0) -> None:
        """Wait until the script that was asked for last has ended."""
        before = self.scripts
        self.wait(lambda: self.scripts > before, seconds)

    def upload(self, key: str, name: str, data: bytes, seconds: float = 120.0) -> None:
        """Put a file into an uploader, as a browser does, and draw the page."""
        field, base = self.fields[key], "http://" + urlsplit(self.url).netloc
        message = BackMsg()
        message.file_urls_request.request_id = key
        message.file_urls_request.file_names.append(name)
        self.places = []
        self.send(message.SerializeToString())
        self.wait(lambda: self.places, seconds)
        with requests.Session() as http:
            http.get(f"{base}/_stcore/host-config", timeout=seconds)
            token = {"X-Xsrftoken": http.cookies.get("_streamlit_xsrf", "")}
            file = {"file": (name, data)}
            place = self.places[0]
            http.put(base + place.upload_url, files=file, headers=token, timeout=seconds)
        held = WidgetState(id=field.id)
        told = held.file_uploader_state_value.uploaded_file_info.add()
        told.name, told.size, told.file_id = name, len(data), place.file_id
        told.file_urls.CopyFrom(place)
        self.rerun(held, fragment=field.fragment)

    def stay(self, seconds: float) -> None:
        """Look at the page for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._listen(left)

    def wait(self, met: Callable[[], object], seconds: float) -> None:
        """Look at the page until a condition is met.

        Raises:
            TimeoutError: If it is not within the seconds.
        """
        end = time.monotonic() + seconds
        while not met():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.url}: not within {seconds:.0f} s; it says {self.texts}")
            self._listen(SHORT)

    def _listen(self, seconds: float) -> None:
        """Take what comes within the seconds, until the first message, and run timers."""
        due = [at for at, _ in self._timers.values()]
        now = time.monotonic()
        patience = max(0.0, min([seconds, *(at - now for at in due)]))
        try:
            self._take(ForwardMsg.FromString(self._socket.recv(patience)))  # type: ignore[arg-type]
        except TimeoutError:
            pass
        for part, (at, interval) in list(self._timers.items()):
            if time.monotonic() >= at:
                self._timers[part] = time.monotonic() + interval, interval
                self.rerun(fragment=part, timed=True)

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            if not message.metadata.run.fragment_ids:
                self.fields, self.texts = {}, []
                self._timers.clear()
        elif kind == "file_urls_response":
            self.places = list(message.file_urls_response.file_urls)
        elif kind == "navigation":
            self._page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            interval = message.auto_rerun.interval
            self._timers[message.auto_rerun.fragment_id] = time.monotonic() + interval, interval
        elif kind == "stop_auto_rerun":
            for part in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(part, None)
        elif kind == "script_finished":
            self.scripts += 1
        elif kind == "delta":
            self._draw(message.delta)

    def _draw(self, delta: Any) -> None:
        if delta.WhichOneof("type") != "new_element":
            return
        kind = delta.new_element.WhichOneof("type")
        proto = getattr(delta.new_element, kind) if kind else None
        if kind == "exception":
            self.exceptions.append(f"{proto.type}: {proto.message} {' '.join(proto.stack_trace)}")
        elif kind == "alert":
            self.texts.append(proto.body)
        elif kind == "progress":
            self.progress = proto.text
        elif identity := getattr(proto, "id", ""):
            key = identity.split("-", 2)[-1]
            self.fields[key] = Field(identity, kind, proto, delta.fragment_id)


def state(id: str, value: Any) -> WidgetState:
    """Return what a browser says of a field that holds a text, a number, or a list of texts."""
    made = WidgetState(id=id)
    if isinstance(value, list):
        made.string_array_value.data.extend(value)
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, int):
        made.int_value = value
    else:
        made.string_value = value
    return made


def closed(visit: Visit) -> bool:
    """Return whether the server has closed the connection."""
    try:
        visit.stay(SHORT)
    except ConnectionClosed:
        return True
    return False
