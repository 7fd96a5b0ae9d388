"""How much memory glibc keeps aside: a server has many threads, and pieces of freed memory in each.

glibc gives each thread an arena to allocate from, up to eight a core. What a thread has freed is
kept for the next that has the same arena, so with a new thread for each drawing of a page a server
grows for hours (mallopt(3), M_ARENA_MAX). Python's own lock lets hardly two allocate at once.
"""

import ctypes
import platform

M_ARENA_MAX = -8
ARENAS = 2


def few_arenas() -> bool:
    """Let this process have no more than two arenas; return whether its C library can.

    Those that it has already stay.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
