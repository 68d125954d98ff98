"""The swaps of one model: from a new file to the model that serves, or back."""

from __future__ import annotations

import logging
import secrets
import threading
from pathlib import Path

from edgecnn.errors import EdgeCNNError, ModelError, OutputError
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame, now_rfc3339
from edgecnn.serving.engine.events import SwapChanged, SwapState
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.short_hash import short_hash
from edgecnn.serving.swap.check import check_model, check_size, reason_of
from edgecnn.serving.swap.errors import AlreadyServingError, NoSuchSwapError, SwapRefusedError
from edgecnn.serving.swap.records import LastSwap, ShadowReport, SwapReport, SwapTicket
from edgecnn.serving.swap.restoring import Restored
from edgecnn.serving.swap.shadow import ShadowRun
from edgecnn.serving.swap.stored_models import Pointer, StoredModels, sha256_of
from edgecnn.serving.swap.worker import Worker

__all__ = ["ModelSwaps"]

log = logging.getLogger("edgecnn")


class ModelSwaps:
    """Lets at most one new model be in its shadow. Threads may share it; one at a time submits.

    Args:
        service: has the model, the settings and the hub.
        served: the model.
        state: the state folder.
        restored: what an earlier run left; None: nothing.
        worker: does what the threads of the sources may not wait for.
    """

    def __init__(
        self, service: Service, served: ServedModel, state: Path, restored: Restored | None, worker: Worker
    ) -> None:
        self._service = service
        self._served = served
        self._settings = service.settings.swap
        self._store = StoredModels(state, served.name)
        self._configured = served.current.sha256 if restored is None else restored.configured_sha256
        self._restored = restored
        self._worker = worker
        self._changing = threading.Lock()  # never held while a model is opened or run
        self._run: ShadowRun | None = None
        self._checked: str | None = None  # hash of the file that is being checked
        self._last: LastSwap | None = None
        if restored is not None:
            served.keep_previous(restored.previous)

    def start(self) -> None:
        """Brings the stored files in line with what serves, and tells what could not be restored."""
        self._store.remove_unfinished()
        if self._restored is None:
            self._tidy()
            return
        for fault in self._restored.faults:
            ticket = SwapTicket(_new_id(), self._served.name, fault.sha256)
            reason = f"after the restart: {fault.reason}; {short_hash(self._served.current.sha256)}… serves"
            self._tell(ticket, "refused", reason, None)
        try:
            self._write_pointer(self._served.current, self._served.previous)
        except OutputError as error:
            log.warning("model '%s': %s", self._served.name, error)
        self._tidy()

    def new_file(self) -> Path:
        """An empty file for a model that is still arriving."""
        return self._store.new_file()

    def submit(self, path: Path, *, move: bool, name: str, ask_below: bool = False) -> SwapTicket:
        """Checks a new file and begins its shadow. Arguments and errors are those of :meth:`Swaps.submit`."""
        try:
            check_size(path, self._service.settings.limits.model_mb)
            sha256 = sha256_of(path)
        except EdgeCNNError as error:
            raise SwapRefusedError(reason_of(error, path)) from None
        except OSError as error:
            raise SwapRefusedError(f"cannot be read: {error.strerror}; send it again") from None
        self._refuse_known(sha256)
        ticket = SwapTicket(_new_id(), self._served.name, sha256)
        with self._changing:
            self._checked = sha256
        try:
            file = self._taken_in(path, sha256, move=move)
            self._publish(ticket, "checking", None)
            loaded = self._check(ticket, file)
            self._begin(ticket, loaded, name, ask_below=ask_below)
        finally:
            with self._changing:
                self._checked = None
            self._tidy()
        return ticket

    def serves(self, sha256: str) -> bool:
        """Whether the model with this hash serves."""
        return self._served.current.sha256 == sha256

    @property
    def shadow(self) -> ShadowReport | None:
        """The swap that is in its shadow or waits; None: there is none."""
        run = self._run
        return None if run is None else run.report()

    def report(self) -> SwapReport:
        """All that is known. Does not wait for a swap that goes on."""
        served = self._served
        return SwapReport(served.name, served.current, served.previous, self.shadow, self._last)

    def accept(self, swap_id: str | None) -> SwapTicket:
        """Lets the new model take over at once. Errors are those of :meth:`Swaps.accept`."""
        run = self._named(swap_id)
        if not self._take_over(run):
            last = self._last
            if last is not None and last.ticket == run.ticket and last.state == "refused":
                raise OutputError(f"the new model cannot take over: {last.reason}")
            raise NoSuchSwapError("this swap has just ended; GET /api/models tells how")
        return run.ticket

    def reject(self, swap_id: str | None) -> SwapTicket:
        """Ends a swap. Errors are those of :meth:`Swaps.reject`."""
        run = self._named(swap_id)
        if not self._refuse(run, "rejected by request"):
            raise NoSuchSwapError("this swap has just ended; GET /api/models tells how")
        return run.ticket

    def roll_back(self) -> SwapTicket:
        """Exchanges serving and previous model. Errors are those of :meth:`Swaps.roll_back`."""
        with self._changing:
            if not self._served.roll_back():
                raise NoSuchSwapError(f"model '{self._served.name}' has no previous model to go back to")
            serving = self._served.current
            run, self._run, self._served.shadow = self._run, None, None
            # First in memory: the disk may be slow or full, and the bad model must go now
            unstored = self._stored_fault()
        if run is not None:  # it was compared with the model that is gone
            self._tell(run.ticket, "superseded", "the serving model was rolled back", run.report())
        ticket = SwapTicket(_new_id(), self._served.name, serving.sha256)
        self._tell(ticket, "rolled back", unstored, None)
        self._tidy()
        if unstored is not None:
            raise OutputError(unstored)
        return ticket

    def _taken_in(self, path: Path, sha256: str, *, move: bool) -> Path:
        try:
            return self._store.take_in(path, sha256, move=move)
        except ModelError as error:
            raise SwapRefusedError(reason_of(error, path)) from None

    def _stored_fault(self) -> str | None:
        """Stores what serves; returns why that failed."""
        try:
            self._write_pointer(self._served.current, self._served.previous)
        except OutputError as error:
            return f"rolled back, but a restart would undo it: {error}"
        return None

    def _refuse_known(self, sha256: str) -> None:
        if self.serves(sha256):
            raise AlreadyServingError(f"this file ({short_hash(sha256)}…) serves already")
        run = self._run
        if run is not None and run.ticket.sha256 == sha256:
            raise AlreadyServingError(
                f"this file ({short_hash(sha256)}…) is in its shadow already, as swap {run.ticket.id}"
            )

    def _check(self, ticket: SwapTicket, file: Path) -> LoadedModel:
        try:
            return check_model(self._service, self._served.name, file)
        except EdgeCNNError as error:
            reason = reason_of(error, file)
        except Exception as error:  # the old model must go on serving, whatever it is
            log.exception("model '%s': an unexpected error while a new file was checked", self._served.name)
            reason = f"unexpected error: {type(error).__name__}; the log has more"
        self._tell(ticket, "refused", reason, None)
        raise SwapRefusedError(reason)

    def _begin(self, ticket: SwapTicket, loaded: LoadedModel, name: str, *, ask_below: bool) -> None:
        """Begins the shadow, in place of another. Events come in the order of the steps, so they are told first."""
        with self._changing:
            before, self._run, self._served.shadow = self._run, None, None
        if before is not None:
            self._tell(before.ticket, "superseded", f"swap {ticket.id} came after it", before.report())
        wanted = self._settings.shadow_frames if self._sees_frames() else 0
        if wanted:
            self._publish(ticket, "shadow", None)
        with self._changing:
            serving = self._served.current
            done, failed, disagreed = self._shadow_done, self._refuse, self._disagreed
            run = ShadowRun(ticket, loaded, name, serving, wanted, self._worker, done, failed, disagreed)
            run.ask_below = ask_below
            self._run = self._served.shadow = run
        if not wanted:
            self._shadow_done(run)

    def _sees_frames(self) -> bool:
        """Whether a source gives frames to this model."""
        return any(not source.models or self._served.name in source.models for source in self._service.settings.sources)

    def _disagreed(self, view: str | None, frame: Frame, answer: Prediction, other: Prediction) -> None:
        """Offers a frame of a source for collecting."""
        if view is not None and (tell := self._served.on_disagreement) is not None:
            tell(frame, view, self._served.name, answer, other)

    def _shadow_done(self, run: ShadowRun) -> None:
        """The run has seen its frames."""
        if self._settings.mode == "confirm":
            run.waiting = True
            if self._run is run:
                self._publish(run.ticket, "waiting", None)
            return
        report, least = run.report(), self._settings.min_agreement
        if report.agreement is None or report.agreement >= least:
            self._take_over(run)
            return
        agreeing = round(report.agreement * report.frames)
        found = (
            f"agrees with the serving model on {agreeing} of {report.frames} live frames ({report.agreement:.1%}), at "
            f"least {least:.1%} is needed"
        )
        if not run.ask_below:
            remedy = "look at the frames that differ, or lower min_agreement in [swap] of the settings"
            self._refuse(run, f"{found}; {remedy}")
            return
        run.waiting = True
        if self._run is run:
            reason = f"{found} for it to take over by itself; look at the frames that differ, then accept or reject it"
            self._publish(run.ticket, "waiting", reason)

    def _take_over(self, run: ShadowRun) -> bool:
        """Changes the serving model; False: the swap ended before, or cannot be stored."""
        with self._changing:
            if self._run is not run:
                return False
            try:
                # First on disk: a model that a restart would lose does not serve
                self._write_pointer(run.loaded, self._served.current)
                fault = None
            except OutputError as error:
                fault = str(error)
            else:
                self._served.replace(run.loaded)
            self._run = self._served.shadow = None
        self._tell(run.ticket, "accepted" if fault is None else "refused", fault, run.report())
        self._tidy()
        return fault is None

    def _refuse(self, run: ShadowRun, reason: str) -> bool:
        """Ends a swap without a change; False: it ended before."""
        with self._changing:
            if self._run is not run:
                return False
            self._run = self._served.shadow = None
        self._tell(run.ticket, "refused", reason, run.report())
        self._tidy()
        return True

    def _named(self, swap_id: str | None) -> ShadowRun:
        run = self._run
        if run is None or swap_id not in (None, run.ticket.id):
            named = "swap" if swap_id is None else "such swap"
            raise NoSuchSwapError(f"model '{self._served.name}' has no {named} in its shadow; GET /api/models lists it")
        return run

    def _write_pointer(self, current: LoadedModel, previous: LoadedModel | None) -> None:
        if current.sha256 == self._configured and previous is None:
            self._store.forget()
            return
        self._store.point(Pointer(current.sha256, None if previous is None else previous.sha256, self._configured))

    def _tidy(self) -> None:
        """Removes stored files that nothing uses."""
        with self._changing:
            run, served = self._run, self._served
            used = {
                served.current.sha256,
                None if served.previous is None else served.previous.sha256,
                None if run is None else run.ticket.sha256,
                self._checked,
            }
            self._store.remove_all_but({sha256 for sha256 in used if sha256 is not None})

    def _tell(self, ticket: SwapTicket, state: SwapState, reason: str | None, shadow: ShadowReport | None) -> None:
        """A swap has ended."""
        # Not the whole report, which holds the model: one that is refused must leave the memory
        frames, agreement = (0, None) if shadow is None else (shadow.frames, shadow.agreement)
        differing = () if shadow is None else shadow.differing
        self._last = LastSwap(ticket, state, reason, now_rfc3339(), frames, agreement, differing)
        self._publish(ticket, state, reason)

    def _publish(self, ticket: SwapTicket, state: SwapState, reason: str | None) -> None:
        level = logging.WARNING if state == "refused" else logging.INFO
        told = "" if reason is None else f": {reason}"
        log.log(
            level, "model '%s': swap %s (%s…): %s%s", ticket.model, ticket.id, short_hash(ticket.sha256), state, told
        )
        self._service.hub.publish(SwapChanged(ticket.model, ticket.id, state, ticket.sha256, reason, now_rfc3339()))


def _new_id() -> str:
    return secrets.token_hex(6)
