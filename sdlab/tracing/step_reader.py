"""Reads the steps of a pipeline's scheduler: where each is, and what was predicted there.

Each step of the scheduler is one evaluation. Its x_t is the latents that ``step`` is given, brought
to the coordinates of the network by the scheduler's own scaling; its output is what ``step`` is
given beside them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlab.denoisers.network import predictions
from sdlab.noise.schedule import NoiseSchedule
from sdlab.solvers.protocol import Query
from sdlab.tracing import batch
from sdlab.tracing.course import CallCourse, schedule_of, timesteps
from sdlab.tracing.halves import UNKNOWN, Halves, HalvesFinder
from sdlab.tracing.layout import LatentLayout
from sdlab.tracing.recorder import Recorder

if TYPE_CHECKING:
    from torch import Tensor


class Evaluation(NamedTuple):
    """What was read of one evaluation; tensors are [P, C, h, w], those not known None.

    Attributes:
        step: Solver step, from 0.
        timestep: As the scheduler's step is given it.
        sigma: The noise level; NaN where it is not known.
        x_t: The latents; None where their noise level is not known.
        x0_pred: The clean latents predicted; None with x_t.
        halves: The network's outputs.
        eps: Noise predictions given the prompt and the negative prompt; with flow matching the
            velocities, because at t = 1 the noise is x_t whatever the network says.
        pictures: Whether tensors are laid out as pictures; else in one column.
    """

    step: int
    timestep: float
    sigma: float
    x_t: "Tensor | None"
    x0_pred: "Tensor | None"
    halves: Halves
    eps: "tuple[Tensor | None, Tensor | None]"
    pictures: bool = True

    def give(self, recorder: Recorder, image: int) -> None:
        """Give one picture's recorder its part."""
        if self.x_t is None or self.x0_pred is None:
            recorder.add_unread(self.step, self.timestep)
            return
        x_t, x0_pred = (x[image : image + 1] for x in (self.x_t, self.x0_pred))
        cond, uncond, *eps = (
            None if x is None else x[image : image + 1] for x in (*self.halves[:2], *self.eps)
        )
        query = Query(x_t, self.timestep, self.sigma, self.step)
        recorder.add(query, Halves(cond, uncond), x0_pred, (eps[0], eps[1]), self.pictures)


class StepReader:
    """Reads the steps of one call.

    Args:
        pipe: The pipeline.
        given: The call's arguments by name.
        say: Told what cannot be read, a sentence without its subject, the pipeline.
    """

    def __init__(self, pipe: Any, given: Mapping[str, Any], say: Callable[[object], None]) -> None:
        self._pipe, self._given, self._say = pipe, dict(given), say
        self._schedule: NoiseSchedule | None = None
        self._course: CallCourse | None = None
        self._layout: LatentLayout | None = None
        self._known = False
        self._finder = HalvesFinder()

    @property
    def points(self) -> list[tuple[float, int]]:
        """(sigma, step) of every evaluation expected; empty where that is not known."""
        return [] if self._course is None else self._course.points

    @property
    def known(self) -> bool:
        """Whether the latents are of a kind that is read: their noise is known, and their layout.

        Where that was lost in mid-call it was known before, and the final latents still are.
        """
        return self._known and self._layout is not None

    @property
    def shows(self) -> bool:
        """Whether latents are laid out as pictures."""
        return self._layout is not None and self._layout.known

    @property
    def flow(self) -> bool:
        """Whether the pipeline follows flow matching."""
        return self._schedule is not None and self._schedule.path == "flow"

    def expect(self, told: Mapping[str, Any]) -> None:
        """Find the course before the first step, by what the network is told.

        Args:
            told: The network's arguments by name.
        """
        time: Any = told.get("timestep")
        first = time.flatten()[:1].tolist() if hasattr(time, "flatten") else [time]
        at = next(iter(first), None)
        try:
            self._find_course(at if at in timesteps(self._pipe.scheduler) else None)
        except batch.Unread:  # said at the first step, whose timestep is known for sure
            self._course = None

    def begin(self, sample: "Tensor", time: float, told: Mapping[str, Any]) -> None:
        """Find out how noisy and how laid out the latents of the first step are."""
        try:
            if self._course is None or not self._course.begins_at(time):
                self._find_course(time)
        except batch.Unread as error:
            self._say(error)
            self._schedule = self._course = None
        self._known = self._schedule is not None
        try:
            self._layout = LatentLayout(self._pipe, self._given, told, sample)
            self._say_layout(self._layout, sample)
        except batch.Unread as error:
            self._say(error)

    def read(
        self,
        number: int,
        time: float,
        timestep: Any,
        sample: "Tensor",
        given: "Tensor",
        outputs: "Sequence[Tensor]",
    ) -> Evaluation:
        """Return what can be read of a step.

        Args:
            number: Which evaluation it is, from 0.
            time: Its timestep.
            timestep: The same as the scheduler is given it.
            sample: The latents that the scheduler is given.
            given: The output that the scheduler is given.
            outputs: What the network returned since the last step, [rows, ...] each.
        """
        sigma, step = self._point(number, time)
        layout, schedule = self._layout, self._schedule
        if schedule is None or layout is None or not layout.fits(sample):
            return Evaluation(step, time, sigma, None, None, UNKNOWN, (None, None))
        if given.ndim > 3 and given.shape[1] == 2 * sample.shape[1]:  # a learned variance behind
            given = given[:, : sample.shape[1]]
        if given.shape != sample.shape:
            self._say("gives its scheduler an output of another shape than its latents")
            return Evaluation(step, time, sigma, None, None, UNKNOWN, (None, None))
        halves = self._halves(outputs, given)
        scaled = getattr(self._pipe.scheduler, "scale_model_input", None)
        x = sample if self.flow or scaled is None else scaled(sample, timestep)
        x_t, output = layout.pictures(x), layout.pictures(given)
        cond, uncond = (None if y is None else layout.pictures(y) for y in halves[:2])
        x0_pred, _ = predictions(schedule, x_t, sigma, output)
        eps = [cond, uncond]
        if not self.flow:
            eps = [None if y is None else predictions(schedule, x_t, sigma, y)[1] for y in eps]
        own = halves._replace(cond=cond, uncond=uncond)
        known = layout.known
        return Evaluation(step, time, sigma, x_t, x0_pred, own, (eps[0], eps[1]), known)

    def pictures(self, latents: "Tensor | None") -> "Tensor | None":
        """Return latents as [P, C, h, w]; None where they are not known or laid out otherwise."""
        if (
            latents is None
            or self._layout is None
            or not self._known
            or not self._layout.fits(latents)
        ):
            return None
        return self._layout.pictures(latents)

    def _say_layout(self, layout: LatentLayout, sample: "Tensor") -> None:
        if not layout.known:
            self._say(
                f"has latents of shape {list(sample.shape)}, which are not known to be laid out as"
                " pictures; their tensors are left out, and statistics are of all their numbers"
            )
        elif layout.frames > 1:
            self._say(f"draws {layout.frames} pictures in one, recorded below each other")

    def _find_course(self, time: float | None) -> None:
        self._schedule = schedule_of(self._pipe.scheduler)
        self._course = CallCourse(self._pipe, self._schedule, time)

    def _point(self, number: int, time: float) -> tuple[float, int]:
        """Return (sigma, step) of an evaluation; a step of its own where nothing is known."""
        if self._course is None or self._schedule is None:
            return math.nan, number
        try:
            return self._course.point(number, time)
        except batch.Unread as error:
            self._say(error)
            self._schedule = None
            return math.nan, number

    def _halves(self, outputs: "Sequence[Tensor]", given: "Tensor") -> Halves:
        halves = self._finder.find(outputs, given, batch.asked(self._pipe, self._given))
        if not outputs:
            self._say(
                "calls its network where that cannot be listened to (compiled code calls no hooks);"
                " the halves of guidance are left out"
            )
        elif halves.cond is None:
            self._say(
                "gives its scheduler something that is not guidance by one or two outputs of its"
                " network, so that the halves of guidance are not told apart and are left out"
            )
        return halves
