"""The experiment: everything that decides a picture, frozen, hashable and JSON.

Two experiments with equal fields give the same picture on the same machine, so the hash of an
experiment's canonical JSON names its run. What can be judged without a model is judged here, when
the experiment is made; what needs one (steps of the schedule, memory) is judged by ``plan``.
"""

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sdlab.bounds import MAX_STEPS
from sdlab.errors import shown, unknown
from sdlab.experiment.attention_record import AttentionRecord
from sdlab.plain import plain, plain_fields

TENSORS = ("x_t", "x0_pred", "output_cond", "output_uncond")
RECORD_DTYPES = ("float32", "float16", "bfloat16")
SEED_MAX = 2**64 - 1
MAX_PROMPT = 10_000
MAX_JSON = 500_000
SIDE_MAX = 2**16
Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Record:
    """What a run keeps of its tensors.

    Attributes:
        tensors: Which of ``x_t``, ``x0_pred``, ``output_cond``, ``output_uncond`` to keep.
        every: Keep each ``every``-th evaluation; the last one is always kept. At least 1.
        dtype: ``float32``, ``float16`` or ``bfloat16``: what they are kept in.
        statistics: Whether the ``steps`` and ``channels`` tables are computed.
        attention: What of the attention maps to keep; None for nothing.

    Raises:
        ValueError: If a name is unknown or ``every`` is not a positive integer.
    """

    tensors: tuple[str, ...] = ("x_t", "x0_pred")
    every: int = 1
    dtype: str = "float32"
    statistics: bool = True
    attention: AttentionRecord | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        if isinstance(self.tensors, str) or not isinstance(self.tensors, Iterable):
            raise ValueError(f"tensors must be a list of names, got {shown(self.tensors)}.")
        object.__setattr__(self, "tensors", tuple(self.tensors))
        for name in self.tensors:
            if name not in TENSORS:
                raise ValueError(unknown("tensor to record", name, TENSORS))
        if self.dtype not in RECORD_DTYPES:
            raise ValueError(unknown("record dtype", self.dtype, RECORD_DTYPES))
        _integer("every", self.every, low=1)
        if isinstance(self.attention, Mapping):
            object.__setattr__(self, "attention", AttentionRecord.from_dict(self.attention))
        if not (self.attention is None or isinstance(self.attention, AttentionRecord)):
            raise ValueError(f"attention must be an AttentionRecord, got {shown(self.attention)}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Record":
        """Return the record of plain JSON values.

        Raises:
            ValueError: If a key is not a field.
        """
        return cls(**known_fields("field of record", values, cls))

    def keeps(self, evaluation: int, total: int) -> bool:
        """Return whether the tensors of this evaluation (0-based, of ``total``) are kept."""
        return evaluation % self.every == 0 or evaluation == total - 1


@dataclass(frozen=True)
class Experiment:
    """One picture to make: its words, its noise and the way from one to the other.

    Attributes:
        prompt: What to draw. Words past CLIP's 77 tokens are cut (the tokens table shows them).
        negative_prompt: What to steer away from; used when ``guidance_scale`` > 1.
        seed: 0 ... 2**64 - 1, as in ``torch.Generator().manual_seed``.
        solver: A solver's short name ("heun") or a diffusers class ("HeunDiscreteScheduler").
        solver_options: Arguments of that solver or scheduler class, by name.
        curve: How sigma falls: a name of ``sdlab.curves.names()`` such as "karras"; "formula",
            "sigmas" or "points" for your own; None for what the model's scheduler config says.
        curve_options: Arguments of that curve, for example ``{"rho": 7.0}``, or
            ``{"formula": "sigma_max * (sigma_min / sigma_max) ** u"}``.
        num_steps: Solver steps, 1 to 10,000 and at most the model's training timesteps.
        guidance_scale: uncond + s (cond - uncond); 1 or less means conditional only.
        guidance_rescale: 0 ... 1, Lin et al. 2023 (arXiv 2305.08891), section 3.4.
        eta: 0 ... 1, the share of injected noise, for solvers that take it; None for the solver's
            own default (0 for DDIM, 1 for ancestral ones).
        width: Pixels, a multiple of 8; None for the model's own size.
        height: Pixels, a multiple of 8; None for the model's own size.
        model: The name under which the model was loaded.
        record: What to keep of the tensors.
        fast: Whether the U-Net of a float32 model computes in bfloat16: quicker where the
            hardware has it, but a slightly different picture (benchmarks/compare.py measures how
            different), which also depends on what else is in the batch. Left out of the JSON when
            False.

    Raises:
        ValueError: If a field is out of range; the message names field, value and fix.
    """

    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    solver: str = "ddim"
    solver_options: Mapping[str, Any] | Options = ()
    curve: str | None = None
    curve_options: Mapping[str, Any] | Options = ()
    num_steps: int = 25
    guidance_scale: float = 4.0
    guidance_rescale: float = 0.0
    eta: float | None = None
    width: int | None = None
    height: int | None = None
    model: str = "embedded"
    record: Record = field(default_factory=Record)
    fast: bool = False

    def __post_init__(self) -> None:
        plain_fields(self)
        for name in ("prompt", "negative_prompt", "solver", "model", "curve"):
            if name != "curve" or self.curve is not None:
                _text(name, getattr(self, name))
        for name in ("solver_options", "curve_options"):
            object.__setattr__(self, name, options_of(name, getattr(self, name)))
        _integer("seed", self.seed, low=0, high=SEED_MAX)
        _integer("num_steps", self.num_steps, low=1, high=MAX_STEPS)
        self._number("guidance_scale")
        self._number("guidance_rescale", low=0.0, high=1.0)
        if self.eta is not None:
            self._number("eta", low=0.0, high=1.0)
        for name in ("width", "height"):
            if getattr(self, name) is not None:
                _size(name, getattr(self, name))
        if isinstance(self.record, Mapping):
            object.__setattr__(self, "record", Record.from_dict(self.record))
        if not isinstance(self.record, Record):
            raise ValueError(f"record must be a Record, got {shown(self.record)}.")
        if not isinstance(self.fast, bool):
            raise ValueError(f"fast must be True or False, got {shown(self.fast)}.")

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON: the run's name."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        out = asdict(self)
        out["solver_options"] = dict(self.solver_options)
        out["curve_options"] = dict(self.curve_options)
        record = out["record"]
        record["tensors"] = list(self.record.tensors)
        if record["attention"] is None:
            del record["attention"]  # so that what records none keeps the id that it had
        else:
            for name in ("layers", "self_layers"):
                record["attention"][name] = list(record["attention"][name])
        if not self.fast:
            del out["fast"]  # for the same reason
        return out

    def to_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII, whole numbers without a point.

        Equal experiments have equal JSON, however their numbers were written.
        """
        plain = _whole(self.to_dict())
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Experiment":
        """Return the experiment of ``to_dict``'s values.

        Raises:
            ValueError: If a key is not a field.
        """
        return cls(**known_fields("experiment field", values, cls))

    def with_(self, **changes: Any) -> "Experiment":
        """Return a copy with the named fields changed, checked again."""
        return replace(self, **changes)

    def _number(self, name: str, low: float = -math.inf, high: float = math.inf) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} must be a number, got {shown(value)}.")
        try:
            finite = math.isfinite(value)
        except OverflowError:  # a whole number past all floats
            finite = False
        if not finite:
            raise ValueError(f"{name} must be finite, got {shown(value)}.")
        if not low <= value <= high:
            raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value:g}.")
        object.__setattr__(self, name, float(value))


def check_size(experiment: Experiment) -> None:
    """Refuse texts so long that they would hold up others; only what is run anew is judged.

    Raises:
        ValueError: If a prompt, or the experiment as a whole, is too long.
    """
    for which in ("prompt", "negative_prompt"):
        length = len(getattr(experiment, which))
        if length > MAX_PROMPT:
            raise ValueError(
                f"{which} must be at most {MAX_PROMPT:,} characters, got {length:,}; of those the"
                " network sees the first 77 tokens."
            )
    length = len(experiment.to_json())
    if length > MAX_JSON:
        raise ValueError(
            f"an experiment must be at most {MAX_JSON:,} characters of JSON, got {length:,};"
            " shorten its options."
        )


def known_fields(what: str, values: Mapping[str, Any], cls: type) -> Mapping[str, Any]:
    """Return the values, if each is named as a field of the dataclass ``cls``.

    Raises:
        ValueError: If one is not; ``what`` says what it is called.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"each {what} must have a name, got {values!r:.60}.")
    names = [f.name for f in fields(cls)]
    for key in values:
        if key not in names:
            raise ValueError(unknown(what, key, names))
    return values


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {shown(value)}.")
    for position, char in enumerate(value):
        kind = unicodedata.category(char)
        if kind == "Cs" or (kind == "Cc" and char not in "\n\r\t"):
            what = "half of a surrogate pair" if kind == "Cs" else "a control character"
            raise ValueError(
                f"{name} has {what} (U+{ord(char):04X}) at position {position}; remove it."
            )


def _integer(name: str, value: object, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {shown(value)}.")
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {limits}, got {shown(value)}.")


def _size(name: str, value: object) -> None:
    _integer(name, value, low=8, high=SIDE_MAX)
    assert isinstance(value, int)
    if value % 8:
        down, up = value // 8 * 8, (value // 8 + 1) * 8
        raise ValueError(f"{name} must be a multiple of 8, got {value}; try {down} or {up}.")


def options_of(name: str, value: object) -> Options:
    """Return options as hashable pairs, sorted by name.

    Args:
        name: What to call them in an error.
        value: A mapping, or pairs.

    Raises:
        ValueError: If it is no mapping of text to finite JSON.
    """
    if isinstance(value, Mapping):
        value = value.items()
    try:
        pairs = dict(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a mapping of names to values, got {shown(value)}."
        ) from None
    for key in pairs:
        if not isinstance(key, str):
            raise ValueError(f"{name} must have text as names, got {shown(key)}.")
    return tuple((key, _option(f"{name}[{shown(key)}]", pairs[key])) for key in sorted(pairs))


def _option(what: str, value: Any) -> Any:
    """Return an option's value, lists as tuples so that it can be hashed."""
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0:
        return tuple(_option(what, item) for item in value)
    value = plain(value)
    finite = not isinstance(value, float) or math.isfinite(value)
    if value is not None and not (isinstance(value, (bool, int, float, str)) and finite):
        raise ValueError(f"{what} must be finite JSON: text, number, list; got {shown(value)}.")
    return value


def _whole(value: Any) -> Any:
    """Return JSON values with whole floats as integers, at any depth."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
