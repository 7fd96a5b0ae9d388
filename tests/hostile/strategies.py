"""Hypothesis strategies of hostile input: texts, numbers, addresses, documents and files."""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from streamlit.proto.BackMsg_pb2 import BackMsg

LONG = 70_000
SPELLED = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\n",
        "\r\n",
        "\t",
        "\x1b[2J",
        "\u202eabc",
        "\ufeff",
        "\ud7ff",
        "٣",
        "²",
    ),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..%2f..%2fetc",
        "file:///etc/passwd",
        "~root",
        "/dev/zero",
    ),
    *("C:\\Windows\\win.ini", "\\\\server\\share", "/proc/self/environ", ".", "..", "-", "--help"),
    *("${HOME}", "$(id)", "`id`", "; ls /", "| cat", "{0.__class__.__mro__}", "%s%n%x", "{{7*7}}"),
    *("'; DROP TABLE runs; --", '" OR 1=1', "SELECT * FROM read_csv('/etc/passwd')", "=1+1", "@A1"),
    *("<script>alert(1)</script>", "[a](javascript:b)", "$x$ **b** :material/home:", "<!--", "]]>"),
    *("9" * 400, "-" + "9" * 400, "1e999", "-1e999", "nan", "-inf", "0x10", "1_000", "1,5", "٣٤"),
    *("[" * 2000, '{"a":' * 2000, "(" * 500, "a" * LONG, "é" * 9000, "(a+)+$" * 50, "1-999999999"),
    *(
        "http://169.254.169.254/latest",
        "a/b",
        "a/b/c/d",
        "true",
        "null",
        "None",
        "__import__('os')",
    ),
    *("1e-320", "1/0", "2**99999", "range(0, 1e12)", "x" * 200 + ".safetensors", "con", "\u0130"),
)
texts = (
    st.sampled_from(SPELLED)
    | st.text(max_size=300)
    | st.text(alphabet="ab019.,-+*/=()[]{}<>\"'`$%&|;:#@!?~^\\ \n\t\0", max_size=200)
)
"""Without lone surrogates, which neither a browser nor the network can send."""
names = st.sampled_from(("id", "run", "runs", "text", "v", "order", "limit", "tag", "a.b")) | texts
queries = st.lists(st.tuples(names, texts), max_size=6)
floats = st.sampled_from((0.0, -0.0, 5e-324, 1e308, -1e308, 2.0**53, -1.0, 0.5)) | st.floats()
integers = st.sampled_from((0, -1, 2**31, 2**53, -(2**53), 10**6, 1001)) | st.integers(
    -(2**53), 2**53
)
documents = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that claims a size, whatever it holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), *chunks, _chunk(b"IDAT", zlib.compress(b"")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + _chunk(b"IEND", b"")


BOMBS = (
    png(2**31 - 1, 2**31 - 1),
    png(60_000, 60_000),
    png(1, 1, _chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"\0" * 2**26, 9))),
    png(1, 1, _chunk(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(b"[" * 2**24, 9))),
    png(1, 1, _chunk(b"tEXt", b"prompt\0" + b'{"a":' * 20_000)),
    b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0" * 30,
    b"BM"
    + struct.pack("<IHHI", 2**32 - 1, 0, 0, 54)
    + struct.pack("<Iii", 40, 2**31 - 1, -(2**31)),
    struct.pack("<Q", 2**63 - 1) + b"{}",
    struct.pack("<Q", 2) + b"{}" + b"\0" * 100,
    struct.pack("<Q", 90)
    + b'{"latents":{"dtype":"F32","shape":[99999999999,4,8,8],"data_offsets":[0,99999999999999]}}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"[1e999, -1e999, NaN]",
    b"PK\3\4" + b"\0" * 60,
    b"PAR1" + b"\xff" * 40 + b"PAR1",
    b"SQLite format 3\0" + b"\xff" * 100,
    b"\x80\4\x95\x17\0\0\0\0\0\0\0\x8c\5posix\x94\x8c\6system\x94\x93\x94\x8c\2id\x94\x85R.",
    b"\xff\xfe" + "a = 1".encode("utf-16-le"),
    b"a = 1\n" * 200_000,
    b"\x1f\x8b\x08" + b"\0" * 40,
)
"""Files that claim or unfold to much more than they are, or are another kind than they say."""


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file as it would be after an accident, or after somebody changed a few bytes on purpose."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        way = draw(st.sampled_from(("cut", "flip", "put", "drop", "twice")))
        if way == "cut":
            del data[at:]
        elif way == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif way == "put":
            data[at:at] = draw(st.binary(max_size=16) | st.just(b"\xff" * 8))
        elif way == "drop":
            del data[at : at + draw(st.integers(1, 64))]
        else:
            data[at:at] = data[at : at + 4096]
    return bytes(data)


def _said(field: str, value: object) -> bytes:
    """What a browser may say of a session beside its fields."""
    message = BackMsg()
    if field == "rerun_script":
        asked = message.rerun_script
        asked.query_string = asked.page_name = asked.fragment_id = asked.page_script_hash = value
        asked.widget_states.widgets.add(id=value, string_value=value)
    elif field == "file_urls_request":
        message.file_urls_request.session_id = message.file_urls_request.request_id = value
        message.file_urls_request.file_names.extend([value] * 3)
    elif field == "backend_operation_request":
        message.backend_operation_request.deferred_file.file_id = value
    else:
        setattr(message, field, True)
    return message.SerializeToString()


messages = st.builds(
    _said, st.sampled_from([field.name for field in BackMsg.DESCRIPTOR.fields]), texts
) | st.binary(max_size=300)
"""Over the websocket: whatever there is to say, and what is no message at all."""


def files(whole: bytes) -> st.SearchStrategy[bytes]:
    """A damaged file, a bomb, a JSON document, a text, or any bytes."""
    written = st.builds(lambda document: json.dumps(document).encode(), documents)
    spelled = st.builds(lambda text: text.encode(), texts)
    return damaged(whole) | st.sampled_from(BOMBS) | written | spelled | st.binary(max_size=400)


@dataclass
class Given:
    """An example whose beginning alone is printed."""

    it: Any

    def __repr__(self) -> str:
        return repr(self.it)[:500]


def tried(strategy: st.SearchStrategy, check: Callable, examples: int) -> None:
    """Call ``check`` with so many examples, the same ones each time."""
    how = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    how(given(strategy.map(Given))(lambda given: check(given.it)))()
