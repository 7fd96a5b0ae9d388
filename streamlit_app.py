"""The entry that ``streamlit run`` finds: the pages, the zip route, and the worker's end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

import dashboard
from dashboard.shell.headers import middleware
from dashboard.shell.lab import stop_worker
from dashboard.shell.routes import routes


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Stop the worker when the server ends, so that runs in flight are noted as interrupted."""
    yield
    stop_worker()


# Found by the package: in a wheel this script is somewhere else.
main = Path(dashboard.__file__).parent / "shell" / "main.py"
app = st.App(main, routes=routes(), middleware=middleware(), lifespan=lifespan)
