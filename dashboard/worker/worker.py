"""The worker: one thread that owns the model and does what all sessions ask for.

Pages call ``submit``, ``get``, ``touch``, ``cancel``, ``load`` and ``status`` from their own
threads; those only take the lock for a moment. ``ask`` waits for the model's answer to a short
question, ``studies`` take long ones. The thread admits runs into the engine first come,
first served, drives it one network call at a time, writes finished runs to disk, and changes the
model only when nothing of the old one is in flight. It never calls Streamlit.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from dashboard.shell.messages import named, sentence
from dashboard.worker.frame_painter import Easel
from dashboard.worker.frames import Sheet, read_sheet
from dashboard.worker.held_model import Library
from dashboard.worker.interrupted_runs import Ledger
from dashboard.worker.job import WorkerJob
from dashboard.worker.questions import ENDED as ENDED_WORKER
from dashboard.worker.questions import Answer, Desk
from dashboard.worker.run_queue import Roster
from dashboard.worker.runs_in_flight import Flight
from dashboard.worker.snapshots import EMBEDDED, ENDED, JobView, LabView, ModelRequest
from dashboard.worker.stored_runs import stored_hash
from dashboard.worker.studies import Studies
from dashboard.worker.watchers import Watchers
from sdlab.experiment.experiment import Experiment

log = logging.getLogger(__name__)

IN_FLIGHT = 32
IDLE_SECONDS = 0.5
ASK_SECONDS = 60.0
LONGEST_PAINT_SECONDS = 5.0


class Worker:
    """One model, one engine, one thread.

    Args:
        runs: Folder of the stored runs.
        load: As ``sdlab.load``; that one by default.
        connected: Tells whether a session's browser is connected.
        after_page: Whether to import torch only after ``wake``: the import holds the interpreter
            for seconds, and the first page should paint before.
    """

    def __init__(
        self,
        runs: Path,
        load: Callable[..., Any] | None = None,
        connected: Callable[[str], bool] = lambda session: True,
        after_page: bool = False,
    ) -> None:
        self.runs = runs
        self._library = Library(load)
        self._watchers = Watchers(connected)
        self._ledger = Ledger(runs / ".dashboard")
        self._lock = threading.Condition()
        self._roster = Roster()
        self._easel = Easel(self._library, runs)
        self._flight = Flight(self._library, runs, self._watchers.count, self._end)
        self._desk = Desk(self._notify, connected)
        self.studies = Studies(self._notify, connected)
        self._status = LabView(loading="embedded")
        self._stopping = False
        self._over = False
        self._awake = threading.Event()
        if not after_page:
            self._awake.set()
        self._catalogue_wanted = False
        self._ready = threading.Event()
        for experiment in self._ledger.recover():
            self._roster.keep(WorkerJob(experiment, "interrupted"))
        self._thread = threading.Thread(target=self._live, name="sdlab-worker", daemon=True)
        self._thread.start()

    # What pages call, from any thread.

    def wake(self) -> None:
        """Note that the first page is on its way to the browser."""
        self._awake.set()

    def submit(self, experiment: Experiment, frames: bool = True) -> str:
        """Ask for a run and return its id; one that is live, or stored, is not run twice.

        Args:
            experiment: What to run.
            frames: Whether to draw the scrubber's frames at once, not when somebody looks.
        """
        request = self._library.request_for(experiment.model)
        trouble = "" if self._knows(experiment.model) else self._library.trouble(request)
        with self._lock:
            job = self._roster.get(experiment.id)
            if job is not None and job.view.live and not job.cancelled:
                job.frames |= frames
                return job.id
            if job is not None and job.view.unsaved:
                return job.id  # its picture is whole, and would be lost
            if self._made(experiment):
                self._roster.forget(experiment.id)
                return experiment.id
            job = WorkerJob(experiment, frames=frames)
            self._roster.add(job)
            if self._over or trouble:
                self._roster.queue.remove(job)
                job.end("failed", trouble or ENDED_WORKER)
                return job.id
            self._ledger.begin(experiment)
            self._lock.notify()
        return job.id

    def get(self, run: str) -> JobView | None:
        """Return the snapshot of a run that this server knows, or None."""
        with self._lock:
            job = self._roster.get(run)
            view = job and job.view
            return view.with_(shared=self._watchers.count(run)) if view else None

    def jobs(self) -> list[JobView]:
        """Return the snapshots of all runs that are not simply done, latest first."""
        with self._lock:
            return self._roster.views()

    def touch(self, run: str, session: str) -> None:
        """Note that a session watches a run."""
        with self._lock:
            if run in self._roster:
                self._watchers.touch(run, session)

    def cancel(self, run: str, session: str) -> str:
        """Leave a run, and cancel it if no one else watches: "left", "cancelled" or "ended"."""
        with self._lock:
            job = self._roster.get(run)
            if job is None or not job.view.live:
                return "ended"
            self._watchers.leave(run, session)
            if self._watchers.count(run):
                return "left"
            job.cancelled = True
            self._lock.notify()
            return "cancelled"

    def save_again(self, run: str) -> None:
        """Try once more to write a run whose picture is whole but could not be written."""
        with self._lock:
            job = self._roster.get(run)
            if job is not None and job.view.unsaved:
                job.set(state="saving", error="", unsaved=False)
                self._lock.notify()

    def dismiss(self, run: str) -> None:
        """Forget a run that ended without a picture."""
        with self._lock:
            job = self._roster.get(run)
            if job is not None and job.view.state in ENDED:
                self._roster.forget(run)
                self._ledger.dismiss(run)

    def load(self, request: ModelRequest) -> bool:
        """Ask for another model, to be loaded after the runs before it; return whether it will be.

        Name, device and configs are checked at once, in the caller's thread, so that a model that
        cannot be loaded delays nobody; then ``status().load_error`` says why.
        """
        trouble = ENDED_WORKER if self._over else self._library.trouble(request)
        with self._lock:
            if trouble:
                self._status = _replace(self._status, load_error=trouble)
                return False
            self._roster.queue.append(request)
            self._status = _replace(self._status, loading=request.source, load_error="")
            self._lock.notify()
        return True

    def ask(
        self,
        function: "Callable[[Any], Answer]",
        model_hash: str | None = None,
        session: str | None = None,
        timeout: float = ASK_SECONDS,
    ) -> Answer:
        """Return ``function(model)``, called in the worker's thread; see ``Desk.ask``."""
        return self._desk.ask(function, model_hash, session, timeout)

    def want_frames(self, run: str) -> None:
        """Ask for the frames of a stored run; see ``sheet``."""
        self._easel.want(run)
        with self._lock:
            self._lock.notify()

    def decoding(self, run: str) -> "Callable[[Any], Iterator[tuple[int, int]]]":
        """Return the study that decodes all frames of a stored run; see ``Easel.decoding``."""
        return partial(self._easel.decoding, run)

    def paints(self, run: str) -> bool:
        """Return whether the frames of a run are still being made."""
        return self._easel.busy_with(run)

    def status(self) -> LabView:
        """Return the laboratory at this moment."""
        with self._lock:
            view, model = self._library.view, self._library.model
            return _replace(
                self._status,
                model=view,
                vae_overflows=model is not None and model.vae.overflowed,
                at_hand=self._roster.last_model()
                or self._status.loading
                or (view.name if view else EMBEDDED),
                running=len(self._flight),
                pace=self._flight.pace,
                queued=len(self._roster.waiting()),
                known=tuple(self._library.requests),
                stopped=self._over,
            )

    def catalogue(self, timeout: float = 120.0) -> Any:
        """Return the table of ``sdlab.schedulers``; waits for it, None if it does not come."""
        self._catalogue_wanted = True
        self.wake()
        with self._lock:
            self._lock.notify()
        self._ready.wait(timeout)
        return self._library.catalogue

    def sheet(self, run: str) -> Sheet | None:
        """Return the best frames of a run that there are by now."""
        return read_sheet(self._easel.folder, run)

    def stop(self, timeout: float = 20.0) -> None:
        """End the thread at its next network call; runs in flight become interrupted."""
        self.wake()
        with self._lock:
            self._stopping = True
            self._lock.notify()
        self._thread.join(timeout)

    # The thread.

    def _live(self) -> None:
        try:
            self._awake.wait(LONGEST_PAINT_SECONDS)
            if not self._stopping:
                self._safely(lambda: self._change_model(self._library.request_for(EMBEDDED)))
            while not self._stopping:
                if not self._safely(self._turn):
                    with self._lock:
                        if not (self._stopping or self._desk or self.studies):
                            self._lock.wait(IDLE_SECONDS)
        finally:
            self._interrupt_all()
            self._ready.set()
            self._desk.close()
            self.studies.close()

    def _safely(self, work: Callable[[], bool]) -> bool:
        """Do one piece of work; a bug ends the runs that it may have damaged, never the worker.

        Everything raised is caught, even SystemExit, which a plug-in sampler may raise: this is a
        thread of a server.
        """
        try:
            return work()
        except BaseException as error:
            log.exception("a defect in the worker")
            reason = sentence(error)
        try:
            self._flight.fail_all(reason)
            self._fail_lost(reason)
        except BaseException:
            log.exception("a defect in the worker's care for a defect")
        return False

    def _fail_lost(self, reason: str) -> None:
        """End live runs that are lost: not in the queue, not in flight, not being saved."""
        with self._lock:
            waiting = self._roster.waiting()
            lost = [
                job
                for job in self._roster.every()
                if job.view.live and job not in waiting and job not in self._flight and not job.run
            ]
        for job in lost:
            self._end(job, "failed", reason)

    def _turn(self) -> bool:
        """Do one small piece of work; return whether there was any."""
        if self._catalogue_wanted:
            self._list_schedulers()
        self._cancel_waiting()
        self._admit()
        answered, studied = self._answer(), self._study()
        saved = self._save_waiting()
        sketched = self._easel.sketch()
        flown = self._flight.round()
        if flown or answered or studied or saved or sketched or self._list_schedulers():
            return True
        if self._easel.paint():
            return True
        if self._library.measure_again():
            self._easel.let_go()  # what was settled can be drawn better now
        return False

    def _answer(self) -> bool:
        view = self._library.view
        model = self._library.model if view else None
        return self._desk.answer(model, view.hash if view else "", self._status.load_error)

    def _study(self) -> bool:
        view = self._library.view
        model = self._library.model if view else None
        return self.studies.step(model, view.hash if view else "", self._status.load_error)

    def _cancel_waiting(self) -> None:
        with self._lock:
            for item in [job for job in self._roster.waiting() if job.cancelled]:
                self._roster.queue.remove(item)
                self._end(item, "cancelled")
            self._roster.number()
        self._flight.cancel()

    def _admit(self) -> None:
        queue = self._roster.queue
        while queue and not self._stopping:
            head = queue[0]
            name = head.source if isinstance(head, ModelRequest) else head.view.experiment.model
            fits = isinstance(head, WorkerJob) and self._library.holds(name)
            if len(self._flight) and (not fits or len(self._flight) >= IN_FLIGHT):
                return
            with self._lock:
                queue.popleft()
                self._roster.number()
            if isinstance(head, ModelRequest):
                self._change_model(head)
                continue
            try:
                if fits or self._change_model(self._library.request_for(name)):
                    self._begin(head)
                else:
                    self._end(head, "failed", self._status.load_error)
            except Exception as error:  # it is out of the queue and not in flight: its own trouble
                self._end(head, "failed", sentence(error))

    def _begin(self, job: WorkerJob) -> None:
        if self._made(job.view.experiment):
            self._end(job, "done")
        else:
            self._flight.begin(job)

    def _save_waiting(self) -> bool:
        with self._lock:
            waiting = [j for j in self._roster.every() if j.run and j.view.state == "saving"]
        for job in waiting:
            self._flight.save(job)
        return bool(waiting)

    def _list_schedulers(self) -> bool:
        if self._ready.is_set():
            return False
        try:
            self._library.make_catalogue()
        except BaseException as error:  # also what a sampler that somebody plugged in raises
            log.error("no catalogue of schedulers: %s", sentence(error))
        self._ready.set()
        return True

    def _change_model(self, request: ModelRequest) -> bool:
        """Load a model; if that fails, say why and load the one before again."""
        with self._lock:
            self._status = _replace(self._status, loading=request.source, load_error="")
        self._easel.let_go()
        self.studies.let_go()
        self._flight.forget_pace()
        view = self._library.view
        before = self._library.request_for(view.name if view else EMBEDDED)
        try:
            self._library.swap(request)
            error, loaded = "", True
        except BaseException as trouble:
            loaded = False
            error = named(request.source, sentence(trouble))
            for other in (before, self._library.request_for(EMBEDDED)):
                if self._library.view is None and other.source != request.source:
                    self._change_model(other)
        with self._lock:
            waits = self._roster.models()
            error = error or self._status.load_error  # of a request refused in the meantime
            self._status = _replace(
                self._status, loading=waits[0] if waits else "", load_error=error
            )
        return loaded

    def _end(self, job: WorkerJob, state: str, error: str = "") -> None:
        if state == "done" and job.run is not None:
            if job.frames:
                self._easel.want(job.id, job.run)
            job.run = None
        with self._lock:
            job.end(state, error)
            if self._roster.get(job.id) in (job, None):  # not asked for anew in the meantime
                self._ledger.end(job.id)
                self._watchers.forget(job.id)
            self._roster.drop_unsaved()

    def _interrupt_all(self) -> None:
        with self._lock:
            self._over = True
            for job in self._roster.every():
                if job.view.live:
                    self._ledger.interrupt(job.id)
                    job.end("interrupted")
            self._roster.queue.clear()
            self._flight.clear()
            self._library.engine = self._library.model = None

    # Small questions.

    def _notify(self) -> None:
        self.wake()
        with self._lock:
            self._lock.notify()

    def _knows(self, name: str) -> bool:
        """Return whether a model of that name was loaded before, or waits to be."""
        with self._lock:
            return name in self._library.requests or name in self._roster.models()

    def _made(self, experiment: Experiment) -> bool:
        """Return whether the run is stored, and by the weights that would make it again."""
        found = stored_hash(self.runs, experiment.id)
        model = self._library.view
        if found is None or model is None:
            return False
        return model.name != experiment.model or model.hash == found


def _replace(view: LabView, **changes: object) -> LabView:
    from dataclasses import replace

    return replace(view, **changes)  # type: ignore[arg-type]
