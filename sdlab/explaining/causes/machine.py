"""Causes beside the settings: the program's version, the batch's size, and all other entries."""

from collections.abc import Iterator

from sdlab.explaining.making import Making
from sdlab.explaining.registry import SLIGHT, VISIBLE, Found, cause

_MACHINE = ("machine.", "versions.", "shared_calls")
_CONFIGS = ("config", "folder")


@cause(
    "batch-size",
    "Batch size",
    SLIGHT,
    needs="batch_size",
    explanation="Kernels of a larger batch add in another order, which rounds otherwise.",
    fix="Make the batch as large again, if bits must agree.",
    source="huggingface/diffusers#2659; PyTorch, notes on numerical accuracy",
)
def batch_size(a: Making, b: Making) -> Iterator[Found]:
    """Compare how many pictures were made at once."""
    if a["batch_size"] != b["batch_size"]:
        yield Found(f"The batch has {a['batch_size']} and {b['batch_size']} pictures.")


@cause(
    "version",
    "Version",
    SLIGHT,
    needs="version",
    explanation="Between versions a program's schedules, defaults and kernels change.",
    fix="Use the same version, if nothing else differs.",
    source="the files' own entries",
)
def version(a: Making, b: Making) -> Iterator[Found]:
    """Compare the versions of one program."""
    if a.program == b.program and a["version"] != b["version"]:
        yield Found(f"{a.program} is of version {a['version']} and {b['version']}.")


@cause(
    "machine",
    "Machine and packages",
    SLIGHT,
    needs="",
    explanation="Another processor, number of threads or version of PyTorch rounds otherwise; so "
    "does a network call that was shared with other runs.",
    fix="Make one of them again here: `sdlab rerun RUN` says whether bits differ.",
    source="PyTorch, notes on reproducibility",
)
def machine(a: Making, b: Making) -> Iterator[Found]:
    """Compare what a manifest says of machine and packages."""
    both = [name for name in a.entries if name.startswith(_MACHINE) and name in b.entries]
    for name in both:
        if a.entries[name] != b.entries[name]:
            called = name.partition(".")[2] or "calls shared with other runs"
            yield Found(f"{called}: {a.entries[name]} and {b.entries[name]}.")


@cause(
    "setting",
    "Other settings",
    VISIBLE,
    needs="",
    explanation="A setting that no other cause is about.",
    fix="Set it alike in both.",
    source="the files' own entries",
)
def setting(a: Making, b: Making) -> Iterator[Found]:
    """Compare every other entry of two files of one program."""
    if a.program != b.program or a.kind in _CONFIGS or b.kind in _CONFIGS:
        return
    for name in dict.fromkeys((*a.entries, *b.entries)):
        one, other = a.entries.get(name, "none"), b.entries.get(name, "none")
        if name.startswith("solver_options.") and a.facts.get("sampler") != b.facts.get("sampler"):
            continue  # the sampler's difference has them
        if one != other and not name.startswith(_MACHINE):
            yield Found(f"{name}: {one} and {other}.", _change(b, name))


@cause(
    "config",
    "Entries of a config",
    VISIBLE,
    needs="",
    explanation="An entry that a config leaves out has its class's default, which differs between "
    "classes and versions.",
    fix="Set the entry alike: Scheduler.from_config(config, entry=value).",
    source="diffusers ConfigMixin.from_config",
)
def config(a: Making, b: Making) -> Iterator[Found]:
    """Compare configs and folders, entry by entry."""
    if a.kind not in _CONFIGS or b.kind not in _CONFIGS:
        return
    one, other = (_placed(made) for made in (a, b))
    names = one | other if a.kind == b.kind else {name: "" for name in one if name in other}
    for name in names:
        left, right = one.get(name), other.get(name)
        alone = left is None or right is None
        if left == right or (alone and _usual(a, b, name)):
            continue
        yield Found(f"{name}: {left or 'no such entry'} and {right or 'no such entry'}.")


@cause(
    "left-out",
    "Entries of one program alone",
    VISIBLE,
    needs="",
    explanation="A setting of one program that the other has not, or does not write.",
    fix="Set it to its default, if its name suggests that it changes the picture.",
    source="the files' own entries",
)
def left_out(a: Making, b: Making) -> Iterator[Found]:
    """List the further entries of files of two programs."""
    if a.program == b.program or {a.kind, b.kind} & set(_CONFIGS):
        return
    for made in (a, b):
        names = [f"{k} {v}" for k, v in made.entries.items() if not k.startswith(_MACHINE)]
        if names and made.program != "sdlab":
            said = "; ".join(name[:60] for name in names[:8])
            more = f"; and {len(names) - 8} more" if len(names) > 8 else ""
            yield Found(f"{made.title} says further: {said}{more}.")


def _placed(made: Making) -> dict[str, str]:
    """Return a config's entries by the names that a folder gives them."""
    before = "scheduler." if made.kind == "config" else ""
    return {f"{before}{name}": value for name, value in made.entries.items()}


def _usual(a: Making, b: Making, name: str) -> bool:
    """Return whether an entry that one config alone has is its class's default."""
    entry = name.removeprefix("scheduler.")
    holders = [made for made in (a, b) if name in _placed(made)]
    return any(made.config is not None and entry not in made.config for made in holders)


def _change(b: Making, name: str) -> dict[str, object]:
    """Return the field of an experiment that an entry is of."""
    field = name.partition(".")[0]
    if b.experiment is None or not hasattr(b.experiment, field):
        return {}
    return {field: getattr(b.experiment, field)}
