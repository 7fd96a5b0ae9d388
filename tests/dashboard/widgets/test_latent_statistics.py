"""The statistics of latents with more channels than a chart holds."""

import numpy as np
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import read


def page(channels: int) -> None:
    import numpy as np

    from dashboard.widgets.latent_statistics import statistics

    noise = np.random.default_rng(0).standard_normal((1, channels, 16, 16))
    statistics("page", noise.astype(np.float32))


def test_128_channels_are_in_the_tables_and_the_first_are_drawn():
    at = AppTest.from_function(page, args=(128,), default_timeout=60).run()
    assert not at.exception and len(at.get("vega_lite_chart")) == 4
    assert any("The first 32 of 128 channels" in read(one) for one in at.caption)
    assert any(len(np.unique(frame.value.get("channel", []))) == 129 for frame in at.dataframe)


def test_16_are_all_drawn():
    at = AppTest.from_function(page, args=(16,), default_timeout=60).run()
    assert not at.exception and not any("channels are drawn" in read(one) for one in at.caption)
