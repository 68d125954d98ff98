"""What the service says to people in a terminal or a log: what runs, when sources come up, which model took over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from edgecnn.serving.engine.events import Decided, DriftChanged, Event, SourceChanged, SwapChanged, SwapState
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.short_hash import short_hash

__all__ = ["ScreenLines"]

_SWAPS: dict[SwapState, str] = {  # refusals are logged where they are found, with their reason
    "accepted": "serves from now on",
    "rolled back": "serves again, after a rollback",
    "waiting": "waits to be accepted, on the live page or with POST /api/models/accept",
}
_WAITING = 100  # lines that wait to be printed; more at once would be of sources that come and go all the time


class ScreenLines:
    """Prints a line for the first decision of each source, its return after an outage, alarms of drift, and each model
    that takes over.

    The threads that decide only leave the lines here: a terminal that is paused must not hold them up.

    Args:
        service: whose sources are watched.
        say: prints a line.
    """

    def __init__(self, service: Service, say: Callable[[str], None]) -> None:
        self._service = service
        self._say = say
        self._lines: deque[str] = deque(maxlen=_WAITING)
        self._decided: set[str] = set()  # sources of which a frame was decided on
        service.hub.subscribe(self._hear)

    def begin(self) -> None:
        """Prints which models serve."""
        for model in self._service.models.values():
            loaded, provider = model.current, model.current.classifier.session.ep
            self._say(
                f"model {model.name}: {_file_name(loaded)}, {len(loaded.labels)} classes, on {provider}, "
                f"SHA-256 {short_hash(loaded.sha256)}…"
            )
        if not self._service.sources:
            self._say("no camera is set: the service only answers requests (docs/api.md)")

    def print_waiting(self) -> None:
        """Prints what has happened since the last call."""
        while self._lines:
            self._say(self._lines.popleft())

    def _hear(self, event: Event) -> None:
        if isinstance(event, SourceChanged):
            if event.up and event.first and event.source in self._decided:
                self._lines.append(f"{event.source}: up again")
        elif isinstance(event, SwapChanged):
            if (what := _SWAPS.get(event.state)) is not None:
                self._lines.append(f"model {event.model}: SHA-256 {short_hash(event.sha256)}… {what}")
        elif isinstance(event, DriftChanged):
            what = f"drift: {event.reason}" if event.alarm else "no drift any more"
            self._lines.append(f"{event.view}, model {event.model}: {what}")
        elif isinstance(event, Decided) and not event.away and event.source not in self._decided:
            self._decided.add(event.source)
            self._lines.append(self._first_decision(event))

    def _first_decision(self, event: Decided) -> str:
        prediction, status = event.prediction, self._service.sources[event.source].status()
        answer = prediction.status if prediction.reason is None else f"{prediction.status} ({prediction.reason})"
        if prediction.status == "ok" and prediction.score is not None:
            answer = f"{prediction.label} {prediction.score:.2f}"
        return f"{event.source}: up, {status.width} x {status.height} pixels; first decision: {answer}"


def _file_name(loaded: LoadedModel) -> str:
    """The name of the file; what was swapped in is stored under its hash, which is no name for people."""
    return "swapped in" if loaded.file.stem == loaded.sha256 else loaded.file.name
