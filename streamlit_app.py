"""The entry that ``streamlit run`` finds: the pages, the files, the worker's start and end."""

import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

import dashboard
from dashboard.report.routes import report_routes
from dashboard.serving import serving
from dashboard.shell.arenas import few_arenas
from dashboard.shell.headers import middleware
from dashboard.shell.lab import lab, stop_worker, tidying
from dashboard.shell.login_needs import check_login
from dashboard.shell.routes import routes
from dashboard.shell.watching import spare_packages


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Begin what the first page needs, and stop the worker when the server ends.

    So runs in flight are left to the next server.
    """
    threading.Thread(target=begin, name="sdlab-begin", daemon=True).start()
    yield
    stop_worker()


def begin() -> None:
    """Import Home and start the worker while the browser still fetches its scripts."""
    spare_packages()
    # Half a millisecond, not five: pages and the model share one interpreter, and each network
    # call asks for it some thousand times.
    sys.setswitchinterval(0.0005)
    from dashboard.shell import sidebar  # noqa: F401
    from dashboard.views.home import page  # noqa: F401

    lab()
    tidying()


few_arenas()  # before there are threads
check_login(serving())  # a mistake in the settings ends the start
# Found by the package: in a wheel this script is somewhere else.
main = Path(dashboard.__file__).parent / "shell" / "main.py"
routed = [*routes(), *report_routes()]
app = st.App(main, routes=routed, middleware=middleware(), lifespan=lifespan)
