"""Every spec gives the JSON, the id or the error that version 0.2.0 gave.

tests/data/specs.jsonl was written by that version: a spec's fields, and its canonical JSON or the
first 160 characters of its error; which fields an error lists as valid may grow. A record's JSON is
that of an experiment with it, an entrant's that of a comparison of it alone.
"""

import hashlib
import json
from pathlib import Path

import pytest

import sdlab
from sdlab.experiment.spec import Spec

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "specs.jsonl").read_text().splitlines()
]


def whole(spec: Spec) -> Spec:
    """Return the experiment or comparison that a spec is part of."""
    if isinstance(spec, sdlab.AttentionRecord):
        spec = sdlab.Record(attention=spec)
    if isinstance(spec, sdlab.Record):
        return sdlab.Experiment(record=spec)
    return sdlab.Comparison([spec], ["a"]) if isinstance(spec, sdlab.Entrant) else spec


@pytest.mark.parametrize("row", [row for row in ROWS if "json" in row], ids=json.dumps)
def test_json_and_id_stay(row):
    spec = getattr(sdlab, row["spec"]).from_dict(row["values"])
    assert whole(spec).to_json() == row["json"]
    assert whole(spec).id == hashlib.sha256(row["json"].encode()).hexdigest()[:16]
    assert type(spec).from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("row", [row for row in ROWS if "error" in row], ids=json.dumps)
def test_errors_stay(row):
    with pytest.raises(ValueError) as error:
        whole(getattr(sdlab, row["spec"]).from_dict(row["values"]))
    said, _, names = row["error"].partition("Valid: ")
    assert str(error.value)[:160].partition("Valid: ")[0] == said
    assert not names or "Valid: " in str(error.value)


@pytest.mark.parametrize("kind", ["Experiment", "Record", "AttentionRecord", "Comparison"])
def test_fields_without_names_are_refused(kind):
    with pytest.raises(ValueError, match="must have a name, got 5"):
        getattr(sdlab, kind).from_dict(5)
