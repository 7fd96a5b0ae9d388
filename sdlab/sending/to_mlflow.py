"""Runs for MLflow: settings as parameters, measures of each evaluation, pictures as artifacts.

A run of ours is one of MLflow's, found there by its tag ``sdlab.run``. It is sent once; one whose
sending was cut off, or that was made again since, is deleted there (MLflow keeps what is deleted)
and sent anew.
"""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from sdlab.errors import SdlabError
from sdlab.extras import extra
from sdlab.sending.parcel import Parcel
from sdlab.sending.sending import Sent

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN, CREATED = "sdlab.run", "sdlab.created"
AT_ONCE, MEASURES_AT_ONCE = 100, 1000
"""Parameters or tags, and measures, that MLflow takes in one call."""
LONGEST = 6000
"""Letters of a parameter's value, the most that MLflow keeps."""
PICTURES = "pictures"
DONE = "FINISHED"
_NOT_IN_A_NAME = re.compile(r"[^\w\-. /:]")


def send(parcel: Parcel, place: str | None, project: str) -> Sent:
    """Send a run, unless it is there.

    Args:
        parcel: The run.
        place: The tracking URI; None for MLflow's own.
        project: The experiment of MLflow; made if there is none.

    Raises:
        SdlabError: If MLflow is not installed, or refuses.
    """
    mlflow = extra("mlflow", "mlflow")
    from mlflow.exceptions import MlflowException

    try:
        client = mlflow.MlflowClient(tracking_uri=place)
        experiment = _experiment(client, project)
        if (known := _known(client, experiment, parcel)) is not None:
            return Sent(parcel.run, _where(experiment, known), False)
        made = _begin(client, experiment, parcel)
        _log(client, made, parcel)
        client.set_terminated(made, DONE, _milliseconds(parcel, parcel.totals.get("total_ms", 0)))
    except ImportError as error:  # mlflow-skinny has no databases
        raise SdlabError(f"MLflow needs {error.name} for {place}: pip install mlflow.") from error
    except (MlflowException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SdlabError(f"MLflow does not take run {parcel.run}: {reason}") from error
    return Sent(parcel.run, _where(experiment, made), True)


def _experiment(client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _known(client: "MlflowClient", experiment: str, parcel: Parcel) -> str | None:
    """Return what MLflow calls the run if it is there whole; a part of it is deleted."""
    same = f"tags.`{RUN}` = '{parcel.run}'"
    for run in client.search_runs([experiment], same):
        whole = run.info.status == DONE
        if whole and run.data.tags.get(CREATED) == parcel.created.isoformat():
            return str(run.info.run_id)
        client.delete_run(run.info.run_id)
    return None


def _begin(client: "MlflowClient", experiment: str, parcel: Parcel) -> str:
    marks = parcel.marks
    tags = {RUN: parcel.run, CREATED: parcel.created.isoformat()}
    tags |= {"sdlab.star": "true"} if marks.star else {}
    tags |= {"sdlab.tags": ", ".join(marks.tags)} if marks.tags else {}
    tags |= {"mlflow.note.content": marks.note} if marks.note else {}
    made = client.create_run(
        experiment, start_time=_milliseconds(parcel), tags=tags, run_name=parcel.name
    )
    return str(made.info.run_id)


def _log(client: "MlflowClient", run: str, parcel: Parcel) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(_name(name), _value(text)) for name, text in parcel.settings.items()]
    for start in range(0, len(params), AT_ONCE):
        client.log_batch(run, params=params[start : start + AT_ONCE])
    measures, passed = [], 0.0
    for evaluation, values in parcel.measures.items():
        passed += values.get("ms", 0.0)
        when = _milliseconds(parcel, passed)
        measures += [Metric(_name(n), value, when, evaluation) for n, value in values.items()]
    when = _milliseconds(parcel, parcel.totals.get("total_ms", passed))
    measures += [Metric(name, value, when, 0) for name, value in parcel.totals.items()]
    for start in range(0, len(measures), MEASURES_AT_ONCE):
        client.log_batch(run, metrics=measures[start : start + MEASURES_AT_ONCE])
    for path in parcel.pictures:
        client.log_artifact(run, str(path), PICTURES)
    client.log_artifact(run, str(parcel.manifest))


def _name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("_", text)


def _value(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _milliseconds(parcel: Parcel, later: float = 0.0) -> int:
    return round((parcel.created + timedelta(milliseconds=later)).timestamp() * 1000)


def _where(experiment: str, run: str) -> str:
    return f"experiments/{experiment}/runs/{run}"
