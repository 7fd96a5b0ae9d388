import os

import pandas as pd
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")

from tests.dashboard.tables import channels_table, steps_table  # noqa: E402


@pytest.fixture
def steps() -> pd.DataFrame:
    return steps_table()


@pytest.fixture
def channels() -> pd.DataFrame:
    return channels_table()
