"""The states of all sources of one classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.temporal.source_state import SourceState

if TYPE_CHECKING:
    from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["SourceStates"]


class SourceStates:
    """Keeps the state of each source that a program names, and holds weak references to the states of open streams.

    Args:
        session: a step file.
    """

    def __init__(self, session: ModelSession) -> None:
        self._session = session
        self._named: dict[str, SourceState] = {}
        self._streamed: WeakSet[SourceState] = WeakSet()

    def of(self, source: str) -> SourceState:
        """The state of a named source; a new one at its first use."""
        state = self._named.get(source)
        if state is None:
            state = self._named.setdefault(source, SourceState(source, self._session))
        return state

    def for_stream(self, source: str) -> SourceState:
        """A new state, which lives as long as the stream that holds it."""
        state = SourceState(source, self._session)
        self._streamed.add(state)
        return state

    def reset(self, source: str | None = None) -> None:
        """Resets the state of a source, given by its name or address; None: of all sources.

        States of named sources are dropped, so that a program that names many sources does not keep them all.
        """
        if source is None:
            self._named.clear()
            names = None
        else:
            names = {source, parse_address(source).name}  # a stream's name is its address without passwords
            for name in names:
                self._named.pop(name, None)
        for state in list(self._streamed):
            if names is None or state.name in names:
                state.reset()
