"""What the length limit cut off is said of each tokenizer."""

import pandas as pd
from streamlit.testing.v1 import AppTest

from sdlab.text.pipeline_tokens import pipeline_tokens
from tests.text import pipelines
from tests.text.test_pipeline_tokens import Asked


def test_each_tokenizer_tells_its_own_limit():
    asked = Asked("parrot " * 80, "rain", max_sequence_length=78)
    table = pipeline_tokens(pipelines.sd3(), asked)
    said = told(table)
    assert said == [
        "The prompt is longer than the 77 tokens of tokenizer; these 5 pieces were cut off: "
        "`parrot parrot parrot parrot parrot`",
        "The prompt is longer than the 77 tokens of tokenizer_2; these 5 pieces were cut off: "
        "`parrot parrot parrot parrot parrot`",
        "The prompt is longer than the 78 tokens of tokenizer_3; these 3 pieces were cut off: "
        "`parrot parrot parrot`",
    ]


def told(table: pd.DataFrame) -> list[str]:
    def page(table):
        from dashboard.widgets.run_stage import _cut_words

        _cut_words(table)

    return [warning.value for warning in AppTest.from_function(page, args=(table,)).run().warning]
