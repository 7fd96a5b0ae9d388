"""All sessions share one worker, whatever a browser asks of Streamlit."""

from streamlit.runtime import caching

from dashboard.shell import lab as module
from dashboard.shell.lab import lab


def test_cleared_caches_leave_the_worker_and_its_runs(runs_folder):
    """Any browser can send what clears the caches of all."""
    worker = lab()
    caching.cache_data.clear()
    caching.cache_resource.clear()
    assert lab() is worker and module._started == [worker]
