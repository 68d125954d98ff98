"""``Why?`` as a part of the service."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.why.api import WhyEndpoints
from edgecnn.serving.why.explainers import Explainers
from edgecnn.serving.why.questions import Questions

__all__ = ["WhyPart"]


class WhyPart:
    """Explains answers when somebody asks. Until then it takes neither time nor memory.

    Args:
        service: has the models and sources.
        collect: has the collected frames.
    """

    def __init__(self, service: Service, collect: CollectPart) -> None:
        self.explainers = Explainers()
        """The models that are open for it."""
        self._endpoints = WhyEndpoints(service, collect, Questions(service, self.explainers))

    def endpoints(self) -> Sequence[Endpoint]:
        """Of live and of collected frames."""
        return self._endpoints.endpoints()

    def start(self) -> None:
        """Does nothing: the first question opens what it needs."""

    def stop(self) -> None:
        """Closes what is open."""
        self.explainers.close()
