"""The entry that ``streamlit run`` finds: the pages, the zip route, and the worker's end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from dashboard.headers import middleware
from dashboard.lab import stop_worker
from dashboard.routes import routes


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Stop the worker when the server ends, so that runs in flight are noted as interrupted."""
    yield
    stop_worker()


app = st.App("dashboard/main.py", routes=routes(), middleware=middleware(), lifespan=lifespan)
