"""Teaching as a part of the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.swap.swaps import Swaps
from edgecnn.serving.teaching.api import TeachingApi
from edgecnn.serving.teaching.frames import FramesToTeach
from edgecnn.serving.teaching.teacher import Teacher

__all__ = ["TeachingPart"]


class TeachingPart:
    """The API of teaching, and the process that teaches.

    Args:
        service: its models are taught.
        state: the state folder.
        swaps: take the taught models.
        collect: has the labelled frames.
    """

    def __init__(self, service: Service, state: Path, swaps: Swaps, collect: CollectPart) -> None:
        frames = FramesToTeach(service, collect)
        self.teacher = Teacher(service, swaps, frames, state)
        """What teaches."""
        self._api = TeachingApi(service, self.teacher, frames)

    def endpoints(self) -> Sequence[Endpoint]:
        """Paths of the API."""
        return self._api.endpoints()

    def start(self) -> None:
        """Removes what an earlier run left."""
        self.teacher.start()

    def stop(self) -> None:
        """Ends what is being taught, within a second."""
        self.teacher.stop()
