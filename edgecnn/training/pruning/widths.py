"""What a pruned network differs in from the full network of its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Widths"]


@dataclass(frozen=True)
class Widths:
    """The channels and blocks of a pruned network. Names are those of modules in the full network."""

    channels: Mapping[str, int] = field(default_factory=dict)  # by the first layer that makes them; only changed ones
    dropped: tuple[str, ...] = ()  # residual blocks that were replaced by their shortcut

    def then(self, later: Widths) -> Widths:
        """The widths of a network that was pruned once more, by ``later``."""
        dropped = (*self.dropped, *later.dropped)
        inside = tuple(f"{block}." for block in dropped)
        both = {**self.channels, **later.channels}
        return Widths({name: count for name, count in both.items() if not name.startswith(inside)}, dropped)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"channels": dict(self.channels), "dropped": list(self.dropped)}

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Widths:
        """Reads :meth:`to_json`. Other values raise KeyError, TypeError, ValueError, OverflowError or
        AttributeError."""
        return Widths(
            {str(name): int(count) for name, count in found["channels"].items()},
            tuple(str(name) for name in found["dropped"]),
        )
