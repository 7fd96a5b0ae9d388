import pandas as pd
import pytest

from tests.dashboard.tables import channels_table, steps_table


@pytest.fixture
def steps() -> pd.DataFrame:
    return steps_table()


@pytest.fixture
def channels() -> pd.DataFrame:
    return channels_table()
