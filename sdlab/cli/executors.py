"""Options that say where a sweep is made: here, on Ray, on Slurm."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sdlab.errors import unknown

if TYPE_CHECKING:
    from sdlab.sweeping.executors.crew import Executor

NEEDED = {
    "local": (),
    "ray": ("address", "workers", "cores", "gpus", "storage"),
    "slurm": ("jobs", "slurm", "storage"),
}
"""Where a sweep can be made, and which options say more about each."""


@dataclass(frozen=True)
class Place:
    """Where the runs are made.

    Attributes:
        on: local (this process), ray or slurm.
        address: Of the Ray cluster: auto, HOST:PORT, ray://HOST:PORT.
        workers: Ray's workers at most.
        cores: Of each worker of Ray; 1.
        gpus: Of each worker of Ray; 1 if the cluster has any.
        jobs: Slurm jobs to cut the sweep into; 8.
        slurm: Parameter of the jobs, as submitit names it: partition=gpu, gpus_per_node=1.
        storage: URL of what workers share, such as s3://bucket/runs; else the folder of all runs.
    """

    on: str = "local"
    address: str | None = None
    workers: int | None = None
    cores: int | None = None
    gpus: float | None = None
    jobs: int | None = None
    slurm: Mapping[str, Any] | None = None
    storage: str | None = None


def executor_of(place: Place, loading: Mapping[str, Any]) -> "Executor | None":
    """Return the executor that was asked for; None for this process.

    Args:
        place: Where.
        loading: How the model is loaded; workers do it likewise, on the device that they have.

    Raises:
        ValueError: If there is none of that name, or an option is not for it.
    """
    if place.on not in NEEDED:
        raise ValueError(unknown("place of a sweep (--on)", place.on, NEEDED))
    told = {one.name: getattr(place, one.name) for one in fields(place) if one.name != "on"}
    given = {name: value for name, value in told.items() if value not in (None, {}, ())}
    for name in given:
        if name not in NEEDED[place.on]:
            places = " or ".join(where for where, names in NEEDED.items() if name in names)
            raise ValueError(f"--{name} is for --on {places}, not for --on {place.on}.")
    if place.on == "local":
        return None
    # a device such as cuda:1 is one of this machine
    kept = {name: x for name, x in loading.items() if name != "device" or x == "cpu"}
    if place.on == "ray":
        from sdlab.sweeping.executors.ray_cluster import Ray

        return Ray(**given, loading=kept)
    from sdlab.sweeping.executors.slurm_jobs import Slurm

    parameters = dict(given.pop("slurm", ()))
    cluster = parameters.pop("cluster", "slurm")
    return Slurm(**given, parameters=parameters, cluster=cluster, loading=kept)
