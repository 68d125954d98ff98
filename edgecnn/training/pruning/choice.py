"""Which channels and blocks go: those whose loss for the time that they cost is least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgecnn.training.pruning.channel_groups import ChannelGroup
from edgecnn.training.pruning.importance import Importance
from edgecnn.training.pruning.layer_cost import LayerCost, macs, nanoseconds

__all__ = ["Choice", "choose"]

_DEPTHWISE_CHUNK, _CHUNK = 16, 8
# Channels that go together: an int8 depthwise kernel is twice as slow for a number that is no multiple of 16, a
# 1 x 1 convolution gains outputs in steps of 16 and inputs in steps of 4.

_LEAST_SHARE = 0.125  # of a group's channels that always stay


@dataclass(frozen=True, eq=False)
class Choice:
    """What stays of a network."""

    kept: Mapping[str, Tensor]  # places of the channels that stay, by the group's name; only of groups that shrink
    dropped: tuple[str, ...]  # blocks
    macs_share: float  # of the multiply-accumulates


def choose(
    groups: Sequence[ChannelGroup], layers: Sequence[LayerCost], found: Importance, share: float, full_macs: float
) -> Choice:
    """Removes chunks of channels and blocks, one by one, until at most a share of the multiply-accumulates is left.

    Args:
        groups: of the network.
        layers: of the network.
        found: the importance of its channels and blocks.
        share: of ``full_macs`` that may stay, 0 to 1.
        full_macs: of the network before anything was pruned.
    """
    state = _Remaining(groups, layers, found)
    while state.macs() > share * full_macs:
        best = min(state.candidates(), key=lambda c: (c.loss / c.saved, -c.saved), default=None)
        if best is None:
            break
        state.remove(best)
    return Choice(state.kept(), tuple(state.dropped), state.macs() / full_macs)


@dataclass(frozen=True)
class _Candidate:
    """Some of a group's channels, or a block."""

    name: str
    left: int  # channels of the group afterwards; 0: a whole block goes
    loss: float  # nats
    saved: float  # nanoseconds


class _Remaining:
    """What is left while chunks are removed."""

    def __init__(self, groups: Sequence[ChannelGroup], layers: Sequence[LayerCost], found: Importance) -> None:
        self._layers = list(layers)
        self._counts = {group.name: group.count for group in groups}
        self._full = dict(self._counts)
        self._ranked = {name: values.sort(descending=True) for name, values in found.channels.items()}
        self._lost = {name: values.values.flip(0).cumsum(0).flip(0) for name, values in self._ranked.items()}
        self._blocks = dict(found.blocks)
        self.dropped: list[str] = []

    def macs(self) -> float:
        return sum(macs(layer, *self._widths(layer)) for layer in self._layers)

    def candidates(self) -> Iterator[_Candidate]:
        for name, count in self._counts.items():
            touched = [layer for layer in self._layers if name in (layer.reads, layer.makes)]
            chunk = _DEPTHWISE_CHUNK if any(layer.depthwise for layer in touched) else _CHUNK
            following = (count - 1) // chunk * chunk
            for left in (following, following - chunk):  # two chunks may save more for each nat than one
                if touched and left >= max(chunk, _LEAST_SHARE * self._full[name]):
                    saved = sum(self._time(layer) - self._time(layer, {name: left}) for layer in touched)
                    yield _Candidate(name, left, self._loss(name, left), saved)
        for name, loss in self._blocks.items():
            yield _Candidate(name, 0, loss, sum(self._time(layer) for layer in self._of_block(name)))

    def remove(self, chosen: _Candidate) -> None:
        if chosen.left:
            self._counts[chosen.name] = chosen.left
            return
        inside = self._of_block(chosen.name)
        self._layers = [layer for layer in self._layers if layer not in inside]
        del self._blocks[chosen.name]
        self.dropped.append(chosen.name)

    def kept(self) -> dict[str, Tensor]:
        """Only groups that some layer still has."""
        alive = {layer.makes for layer in self._layers}
        return {
            name: torch.sort(self._ranked[name].indices[:count]).values
            for name, count in self._counts.items()
            if count < self._full[name] and name in alive
        }

    def _loss(self, name: str, left: int) -> float:
        count, lost = self._counts[name], self._lost[name]
        return float(lost[left] - (lost[count] if count < len(lost) else 0.0))

    def _of_block(self, name: str) -> list[LayerCost]:
        return [layer for layer in self._layers if layer.name.startswith(f"{name}.")]

    def _widths(self, layer: LayerCost, changed: Mapping[str, int] | None = None) -> tuple[int, int]:
        counts = self._counts if changed is None else {**self._counts, **changed}
        reads = layer.inputs if layer.reads is None else counts[layer.reads]
        makes = layer.outputs if layer.makes is None else counts[layer.makes]
        return reads, makes

    def _time(self, layer: LayerCost, changed: Mapping[str, int] | None = None) -> float:
        return nanoseconds(layer, *self._widths(layer, changed))
