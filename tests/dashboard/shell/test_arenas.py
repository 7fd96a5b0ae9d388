"""Few arenas: memory that many threads have freed is one heap's, not each thread's."""

import platform
import re
import subprocess
import sys

import pytest

MANY = """
import ctypes, sys, threading
from dashboard.shell.arenas import few_arenas
if sys.argv[1] == "few":
    assert few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
together = threading.Barrier(8)
def allocate():
    together.wait()
    libc.malloc(50_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_eight_threads_share_two():
    def arenas(how):
        said = subprocess.run(
            [sys.executable, "-c", MANY, how], capture_output=True, text=True, check=True
        )
        return len(re.findall(r"^Arena \d+", said.stderr, re.MULTILINE))

    assert arenas("few") <= 2 < arenas("many")


def test_another_c_library_is_left_alone(monkeypatch):
    from dashboard.shell import arenas

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not arenas.few_arenas()
