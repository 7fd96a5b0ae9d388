"""A pipeline to trace."""

import pytest

from tests.tracing.pipelines import text2img


@pytest.fixture
def pipe():
    return text2img()[0]
