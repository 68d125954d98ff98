"""Teaches the models of the service: one at a time, in a child process, and hands the result to a swap."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.atomic import make_folder
from edgecnn.errors import EdgeCNNError, UsageError
from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.collect.record import StoredFrame
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.short_hash import short_hash
from edgecnn.serving.swap.records import SwapTicket
from edgecnn.serving.swap.swaps import Swaps
from edgecnn.serving.teaching.errors import NothingRunsError, NotReadyError, TeachingBusyError
from edgecnn.serving.teaching.frames import FramesToTeach
from edgecnn.serving.teaching.order import FrameToRank, TeachingOrder
from edgecnn.serving.teaching.process import Failed, Ranked, Reported, TeachingProcess
from edgecnn.serving.teaching.records import (
    LastRank,
    LastTeaching,
    RankedFrame,
    RunningTeaching,
    TeachingKind,
    TeachingState,
)
from edgecnn.teaching.result import LabelNext, TeachResult

__all__ = ["Teacher"]

log = logging.getLogger("edgecnn")

_STOP_S = 0.5
_NAMED = 200  # frames to label next, at most
_FILE = "taught.onnx"
_CANCELLED = "cancelled; the model that serves stays as it is"


@dataclass(eq=False)
class _Job:
    """What runs."""

    state: RunningTeaching
    serving: LoadedModel  # when it began
    order: TeachingOrder
    frames: tuple[StoredFrame, ...]  # that are ranked
    folder: Path  # of what it writes
    process: TeachingProcess | None = None
    cancelled: bool = False


class Teacher:
    """Runs at most one child process. Threads may share it.

    Args:
        service: its models are taught.
        swaps: take the taught model, as they take an uploaded one.
        frames: what is learned.
        state: the state folder.
    """

    def __init__(self, service: Service, swaps: Swaps, frames: FramesToTeach, state: Path) -> None:
        self._service = service
        self._swaps = swaps
        self._frames = frames
        self._folder = state / "teaching"
        self._lock = threading.Lock()
        self._job: _Job | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._last: dict[str, LastTeaching] = {}
        self._ranked: dict[str, LastRank] = {}

    def start(self) -> None:
        """Removes what a killed service left."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """Ends what runs, within a second. Nothing of it is left."""
        with self._lock:
            self._stopping = True
            self._end_job()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def running(self) -> RunningTeaching | None:
        """What is under way; None: nothing."""
        job = self._job
        return None if job is None else job.state

    @property
    def process_id(self) -> int | None:
        """Of the child process; None: there is none."""
        job = self._job
        return None if job is None or job.process is None else job.process.pid

    def last(self, model: str) -> LastTeaching | None:
        """How the last teaching of a model ended."""
        return self._last.get(model)

    def ranked(self, model: str) -> LastRank | None:
        """Which frames of a model to label next, as of the last time that this was asked."""
        return self._ranked.get(model)

    def teach(self, model: str, *, forget: bool = False, max_drop: float = 0.01) -> str:
        """Begins to teach a model its labelled frames, and returns an id.

        Args:
            model: name of the model.
            forget: the new model knows the labels of the frames alone.
            max_drop: largest loss of top-1 accuracy, as a fraction, on the classes that it knew.

        Raises:
            UsageError: there is no such model.
            NotReadyError: the labelled frames do not do.
            TeachingBusyError: another teaching is under way.
            OutputError: the state folder cannot be written.
        """
        self._require(model)
        ready = self._frames.readiness(model)
        why_not = ready.why_not_replace if forget else ready.why_not
        if why_not is not None:
            raise NotReadyError(why_not)
        return self._begin(model, "teach", forget=forget, max_drop=max_drop)

    def rank(self, model: str) -> str:
        """Begins to look which frames to label next, and returns an id. Arguments and errors are those of
        :meth:`teach`."""
        self._require(model)
        if (why_not := self._frames.why_not_rank(model)) is not None:
            raise NotReadyError(why_not)
        return self._begin(model, "rank")

    def cancel(self) -> str:
        """Ends what runs, and returns its id. Raises :class:`NothingRunsError`."""
        with self._lock:
            job = self._job
            if job is None:
                raise NothingRunsError("nothing is being taught")
            self._end_job()
            return job.state.id

    def _require(self, model: str) -> None:
        if model not in self._service.models:
            raise UsageError(f"there is no model '{model}'; there are {', '.join(self._service.models)}")

    def _begin(self, model: str, kind: TeachingKind, *, forget: bool = False, max_drop: float = 0.01) -> str:
        """Starts the thread that waits for the child process."""
        job = self._new_job(model, kind, forget=forget, max_drop=max_drop)
        with self._lock:
            if self._stopping:
                raise NotReadyError("the service is about to end")
            if self._job is not None and not (kind == "teach" and self._job.state.kind == "rank"):
                raise TeachingBusyError("another teaching is under way; wait for its end, or cancel it")
            self._end_job()  # a ranking gives way
            self._job = job
            self._thread = threading.Thread(target=self._run, args=(job,), name="edgecnn-teaches", daemon=True)
            self._thread.start()
        return job.state.id

    def _new_job(self, model: str, kind: TeachingKind, *, forget: bool, max_drop: float) -> _Job:
        serving = self._service.models[model].current
        root, frames = self._frames.folder, tuple(self._frames.to_rank(model))
        job_id = secrets.token_hex(6)
        folder = self._folder / job_id
        order = TeachingOrder(
            kind=kind,
            model=str(serving.file.absolute()),
            sha256=serving.sha256,
            labelled=str(root.absolute()),
            chosen=tuple(f.path.relative_to(root).as_posix() for f in self._frames.labelled(model)),
            unlabelled=tuple(FrameToRank(str(f.path.absolute()), f.record.source) for f in frames),
            out=str((folder / _FILE).absolute()),
            replace=forget,
            max_drop=max_drop,
            label_next=_NAMED,
            nice=self._service.settings.teach.nice,
        )
        state = RunningTeaching(
            id=job_id, model=model, kind=kind, stage="starting", done=0, total=0, since=now_rfc3339()
        )
        return _Job(state, serving, order, frames, folder)

    def _end_job(self) -> None:
        """Ends what runs. The lock is held."""
        if self._job is not None:
            self._job.cancelled = True
            if self._job.process is not None:
                self._job.process.end()

    def _run(self, job: _Job) -> None:
        try:
            self._work(job)
        except EdgeCNNError as error:
            self._failed(job, str(error))
        except OSError as error:
            self._failed(job, f"the teaching process cannot be started: {error.strerror or error}")
        except Exception as error:  # whatever it is, the model that serves goes on
            log.exception("teaching: an unexpected error")
            self._failed(job, f"unexpected error: {type(error).__name__}; the log has more")
        finally:
            shutil.rmtree(job.folder, ignore_errors=True)
            with self._lock:
                if self._job is job:
                    self._job = None

    def _work(self, job: _Job) -> None:
        if job.order.kind == "teach":
            make_folder(job.folder, private=True)
        process = TeachingProcess(job.order)
        with self._lock:
            job.process = process
            if job.cancelled:
                process.end()
        try:
            outcome = process.run(lambda stage, done, total: self._progress(job, stage, done, total))
        finally:
            process.close()
        if job.cancelled:
            outcome = Failed(_CANCELLED)
        if isinstance(outcome, Failed):
            self._failed(job, _shown(outcome.reason, job))
        elif isinstance(outcome, Ranked):
            self._keep_rank(job, outcome.label_next)
        else:
            self._reported(job, outcome)

    def _progress(self, job: _Job, stage: str, done: int, total: int) -> None:
        job.state = replace(job.state, stage=stage, done=done, total=total)

    def _reported(self, job: _Job, outcome: Reported) -> None:
        report = outcome.report
        self._keep_rank(job, report.label_next)
        if report.decision == "unchanged":
            self._tell(job, "unchanged", report.reason, report)
            return
        self._progress(job, "checking the new model", 0, 0)
        if self._service.models[job.state.model].current is not job.serving:
            self._tell(job, "failed", "another model serves since it began; teach that one", report)
            return
        try:
            ticket = self._swaps.submit(Path(job.order.out), job.state.model, move=True, name=_FILE, ask_below=True)
        except EdgeCNNError as error:
            self._tell(job, "failed", f"the taught model cannot take over: {error}", report)
            return
        if job.cancelled:  # while the file was checked
            with suppress(EdgeCNNError):  # it has ended by itself
                self._swaps.reject(job.state.model, ticket.id)
            self._tell(job, "failed", _CANCELLED, report, ticket)
            return
        self._tell(job, "taught", report.reason, report, ticket)

    def _failed(self, job: _Job, reason: str) -> None:
        if job.order.kind == "teach":
            self._tell(job, "failed", reason, None)
        elif not job.cancelled:
            self._keep_rank(job, (), reason)

    def _keep_rank(self, job: _Job, found: Sequence[LabelNext], reason: str | None = None) -> None:
        ids = {str(frame.path.absolute()): frame.record.id for frame in job.frames}
        frames = tuple(RankedFrame(ids[next_.path], next_.guess, next_.score, next_.reason) for next_ in found)
        self._ranked[job.state.model] = LastRank(
            frames=frames, looked_at=frozenset(ids.values()), reason=reason, at=now_rfc3339()
        )

    def _tell(
        self, job: _Job, state: TeachingState, reason: str, report: TeachResult | None, swap: SwapTicket | None = None
    ) -> None:
        """A teaching has ended."""
        ended = LastTeaching(
            id=job.state.id,
            state=state,
            reason=reason,
            report=report,
            swap=swap,
            at=now_rfc3339(),
        )
        self._last[job.state.model] = ended
        hash_ = "" if swap is None else f" as swap {swap.id} ({short_hash(swap.sha256)}…)"
        log.info("model '%s': teaching ended: %s%s: %s", job.state.model, state, hash_, reason)


def _shown(reason: str, job: _Job) -> str:
    """A reason without the folders of this machine, which whoever looks at the page need not know."""
    for path, name in (
        (job.order.labelled, "labelled"),
        (job.order.out, "the taught model"),
        (job.order.model, "model"),
    ):
        reason = reason.replace(path, name)
    return reason
