"""Runs what takes time in threads beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

__all__ = ["FewThreads", "in_own_thread"]

T = TypeVar("T")


class FewThreads:
    """Runs calls in threads, few at a time: inference needs the cores. The other calls wait for their turn.

    Args:
        at_once: number of calls that run at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._limiter: CapacityLimiter | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """The result of a call. What it raises is raised here."""
        if self._limiter is None:  # it belongs to the loop that runs now
            self._limiter = CapacityLimiter(self._at_once)
        return await to_thread.run_sync(call, limiter=self._limiter)


async def in_own_thread(work: Callable[[], T]) -> T:
    """The result of a call that takes seconds.

    Its thread does not keep the process alive, as a thread of the event loop's pool would: a service that is asked to
    end cannot wait for it.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def finish(value: T | None, error: BaseException | None) -> None:
        if result.done():  # the request was given up
            return
        if error is None:
            result.set_result(value)  # type: ignore[arg-type]  # without an error there is a value
        else:
            result.set_exception(error)

    def run() -> None:
        value, fault = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001  # raised where it is awaited
            fault = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(finish, value, fault)

    threading.Thread(target=run, name="edgecnn-works", daemon=True).start()
    return await result
