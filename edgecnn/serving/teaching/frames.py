"""The collected frames as teaching sees them: what is labelled, what is missing, what could be labelled next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.collect.record import StoredFrame
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.engine.service import Service
from edgecnn.serving.teaching.records import Readiness
from edgecnn.teaching.labelled_images import MIN_IMAGES
from edgecnn.teaching.plan import known_places

__all__ = ["FramesToTeach"]

_MOST_RANKED = 500  # moments, the newest: each costs an inference


class FramesToTeach:
    """Reads the store of collected frames.

    Args:
        service: its models are taught.
        collect: has the frames.
    """

    def __init__(self, service: Service, collect: CollectPart) -> None:
        self._service = service
        self._collect = collect

    @property
    def store(self) -> FrameStore | None:
        """The frames; None: none are collected, or the folder is not open."""
        return None if self._collect.writer is None else self._collect.writer.store

    @property
    def folder(self) -> Path:
        """Of the labelled frames. Only where there is a store."""
        assert self.store is not None
        return self.store.labelled_folder

    def labelled(self, model: str) -> list[StoredFrame]:
        """The frames with a label that this model learns."""
        return [frame for frame in self._of(model) if frame.given_label is not None]

    def to_rank(self, model: str) -> list[StoredFrame]:
        """The frames without a label, one for each moment, the newest of them."""
        frames = self._of(model)
        # A copy of what has a label teaches nothing
        left_out = {frame.record.group for frame in frames if frame.given_label is not None}
        newest: dict[str, StoredFrame] = {}  # by group
        for frame in reversed(frames):
            if frame.record.group not in left_out:
                newest.setdefault(frame.record.group, frame)
        return list(newest.values())[:_MOST_RANKED]

    def readiness(self, model: str) -> Readiness:
        """Whether the model can be taught now."""
        frames = self.labelled(model)
        counts = Counter(str(frame.given_label) for frame in frames)
        moments = Counter(label for label, _ in {(str(f.given_label), f.record.group) for f in frames})
        missing = {label: MIN_IMAGES - count for label, count in sorted(counts.items()) if count < MIN_IMAGES}
        cannot = self._why_never(model) or _why_too_few(counts, missing)
        absent = {} if cannot else self._needed_too(model, counts)
        one = "one label, at least two are needed; label frames of another class" if len(counts) < 2 else None
        return Readiness(
            labelled=dict(sorted(counts.items())),
            moments=dict(sorted(moments.items())),
            missing={**missing, **absent},
            why_not=cannot or _why_absent(absent),
            why_not_replace=cannot or one,
        )

    def why_not_rank(self, model: str) -> str | None:
        """Why the frames of a model cannot be ranked; None: they can."""
        return self._why_never(model)

    def _of(self, model: str) -> list[StoredFrame]:
        """The frames of a model, oldest first. Where the service has one model, all are its."""
        store = self.store
        alone = len(self._service.models) == 1
        return [] if store is None else [f for f in store.frames() if alone or f.record.model == model]

    def _why_never(self, model: str) -> str | None:
        writer = self._collect.writer
        if writer is None:
            return "collecting is off; give a folder as [collect] dir in the settings"
        if writer.store is None:
            return writer.problem or "the folder of collected frames is not open yet"
        session = self._service.models[model].current.classifier.session
        if session.form != "image":
            return "the model is recurrent, and only a model of single images can be taught"
        if session.output_widths.get("embedding") is None:
            return (
                "the model file has no output 'embedding', which teaching needs; export the model with this version "
                "and send it as a swap"
            )
        return None

    def _needed_too(self, model: str, counts: Mapping[str, int]) -> dict[str, int]:
        """Images that classes without a label need, where the file does not remember what they look like."""
        session = self._service.models[model].current.classifier.session
        if session.description.classes_json is not None:
            return {}
        known = set(known_places(sorted(counts), session.manifest).values())
        return {label: MIN_IMAGES for i, label in enumerate(session.manifest.labels) if i not in known}


def _why_too_few(counts: Mapping[str, int], missing: Mapping[str, int]) -> str | None:
    if not counts:
        return "no collected frame has a label yet; label some first"
    for label, more in missing.items():
        return (
            f"'{label}' has {counts[label]} labelled frame{'s'[: counts[label] != 1]}, at least {MIN_IMAGES} different "
            f"ones are needed; label {more} more, or give these another label"
        )
    return None


def _why_absent(absent: Mapping[str, int]) -> str | None:
    if not absent:
        return None
    first = next(iter(absent))
    others = f" and {len(absent) - 1} others" if len(absent) > 1 else ""
    return (
        f"the model file does not remember what its classes look like, so frames of '{first}'{others} are needed too; "
        "label some, export the model with this version, or replace its classes"
    )
