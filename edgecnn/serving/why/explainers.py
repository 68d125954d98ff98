"""The explainers of a service: opened when somebody asks, closed when nobody has asked for a while."""

from __future__ import annotations

import threading

from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.explanation import Explainer, Explanation, open_explainer
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.free_memory import give_back_memory

__all__ = ["Explainers"]

_MOST = 2  # models: the one that serves, and the one before it
_IDLE_S = 60.0


class Explainers:
    """Explains one answer at a time. At most two models are open for it.

    Args:
        idle_s: seconds without a question after which they are closed.
    """

    def __init__(self, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        # The one used last at the end. Not by hash: two models of one file may have different thresholds
        self._open: dict[LoadedModel, Explainer] = {}
        self._lock = threading.Lock()
        self._closing: threading.Timer | None = None

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def explain(self, loaded: LoadedModel, frame: Frame) -> tuple[Explainer, Explanation]:
        """Explains a model's answer to a frame.

        Raises:
            EdgeCNNError: what :func:`open_explainer` and :meth:`Explainer.explain` raise.
        """
        with self._lock:
            self._cancel_closing()
            try:
                explainer = self._opened(loaded)
                return explainer, explainer.explain(frame)
            finally:
                self._closing = threading.Timer(self._idle_s, self.close)
                self._closing.daemon = True
                self._closing.start()

    def close(self) -> None:
        """Closes all."""
        with self._lock:
            self._cancel_closing()
            had_any = bool(self._open)
            self._open.clear()
        if had_any:
            give_back_memory()

    def _opened(self, loaded: LoadedModel) -> Explainer:
        explainer = self._open.pop(loaded, None)
        if explainer is None:
            while len(self._open) >= _MOST:
                del self._open[next(iter(self._open))]
            explainer = open_explainer(loaded.classifier)
        self._open[loaded] = explainer
        return explainer

    def _cancel_closing(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
