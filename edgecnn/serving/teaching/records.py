"""What is known of teaching, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecnn.serving.swap.records import SwapTicket
from edgecnn.teaching.result import TeachResult

__all__ = ["LastRank", "LastTeaching", "RankedFrame", "Readiness", "RunningTeaching", "TeachingKind", "TeachingState"]

TeachingKind = Literal["teach", "rank"]
TeachingState = Literal["taught", "unchanged", "failed"]


@dataclass(frozen=True, kw_only=True)
class RunningTeaching:
    """What is under way."""

    id: str
    model: str  # name of the model
    kind: TeachingKind
    stage: str
    done: int
    total: int  # 0: not known yet
    since: str  # RFC 3339


@dataclass(frozen=True, kw_only=True)
class LastTeaching:
    """How the last teaching of a model ended."""

    id: str
    state: TeachingState
    reason: str
    report: TeachResult | None  # None: it failed before there was one
    swap: SwapTicket | None  # of the taught model; None: there is none
    at: str  # RFC 3339


@dataclass(frozen=True)
class RankedFrame:
    """A frame to label."""

    id: str
    guess: str  # the class that the newest classifier takes it for
    score: float  # the probability of it
    reason: str  # why this frame


@dataclass(frozen=True, kw_only=True)
class LastRank:
    """Which frames to label next."""

    frames: tuple[RankedFrame, ...]  # the most useful first
    looked_at: frozenset[str]  # ids of the frames that were ranked
    reason: str | None  # why there are none; None: there are
    at: str  # RFC 3339


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The labelled frames of a model, and whether they are enough."""

    labelled: Mapping[str, int]  # label: frames
    moments: Mapping[str, int]  # label: different moments among them
    missing: Mapping[str, int]  # label: frames that it needs still; only labels that need some
    why_not: str | None  # why the model cannot be taught now, in one line
    why_not_replace: str | None  # why it cannot be taught these labels alone
