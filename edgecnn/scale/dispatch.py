"""Gives shards to workers on a Ray cluster, and takes their answers. A worker that is lost costs its shard at most."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgecnn.errors import ClusterError, EdgeCNNError
from edgecnn.scale.worker import Shard, ShardAnswer, ShardWorker, WorkerOrder

__all__ = ["Dispatcher"]

_MOST_LOSSES = 3  # of workers over one shard, and of workers in a row that never opened the model
_SILENCE_S = 30.0  # without any news, after which the user is told what is waited for


@dataclass
class _Task:
    """What a worker is at."""

    actor: Any
    shard: int | None  # None: it opens the model


@dataclass
class Dispatcher:
    """Runs shards on as many workers as were asked for.

    A shard whose worker is lost goes to another one. One that has cost three workers is left out and reported: another
    run tries it again.

    Args:
        order: what each worker opens and reads.
        workers: how many.
        shard: gives the images of the shard with a number.
        say: told in one line what a user has to know.
    """

    order: WorkerOrder
    workers: int
    shard: Callable[[int], Shard]
    say: Callable[[str], None]
    lost: int = 0  # workers
    given_up: list[int] = field(default_factory=list)  # shards
    _tasks: dict[Any, _Task] = field(default_factory=dict)  # by Ray's reference to the result
    _waiting: deque[int] = field(default_factory=deque)  # shards
    _losses: Counter[int | None] = field(default_factory=Counter)  # by shard; None: while the model was opened

    def run(self, shards: list[int]) -> Generator[ShardAnswer, None, None]:
        """Yields the answers of shards, in the order in which they come. Closing it ends the workers.

        Raises:
            EdgeCNNError: a worker cannot open the model or its store; the message names the machine.
            ClusterError: workers end before they have started.
        """
        import ray  # noqa: PLC0415  # the fork server of the tests imports this module

        self._waiting = deque(shards)
        kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ShardWorker)
        order = ray.put(self.order)
        for _ in range(min(self.workers, len(shards))):
            self._start(kind, order)
        try:
            while self._waiting or any(task.shard is not None for task in self._tasks.values()):
                ready, _ = ray.wait(list(self._tasks), timeout=_SILENCE_S)
                if not ready:
                    self._tell_of_silence()
                for reference in ready:
                    yield from self._taken(reference, kind, order)
        finally:
            for task in self._tasks.values():
                ray.kill(task.actor)

    def _start(self, kind: Any, order: Any) -> None:
        actor = kind.remote(order)
        self._tasks[actor.open.remote()] = _Task(actor, None)

    def _taken(self, reference: Any, kind: Any, order: Any) -> Iterator[ShardAnswer]:
        """What a task has come to; its worker gets the next shard."""
        import ray  # noqa: PLC0415
        from ray.exceptions import RayError, RayTaskError  # noqa: PLC0415

        task = self._tasks.pop(reference)
        try:
            result = ray.get(reference)
        except RayTaskError as error:
            ray.kill(task.actor)
            if isinstance(error.cause, EdgeCNNError):
                raise error.cause from None
            raise
        except RayError as error:
            self._lose(task, error)
            if self._waiting:
                self._start(kind, order)
            return
        self._losses[None] = 0
        if self._waiting:
            number = self._waiting.popleft()
            self._tasks[task.actor.answer.remote(self.shard(number))] = _Task(task.actor, number)
        else:
            ray.kill(task.actor)
        if isinstance(result, ShardAnswer):
            yield result

    def _lose(self, task: _Task, error: Exception) -> None:
        """Puts the shard of a lost worker back. Raises :class:`ClusterError` where no worker comes up."""
        import ray  # noqa: PLC0415

        ray.kill(task.actor)  # it may only be out of reach
        self.lost += 1
        self._losses[task.shard] += 1
        why = _reason(error)
        if task.shard is None:
            if self._losses[None] >= _MOST_LOSSES + self.workers:
                raise ClusterError(
                    f"workers end before they have started: {why}; install edgecnn[ray] {self.order.version} on every "
                    "machine"
                )
        elif self._losses[task.shard] < _MOST_LOSSES:
            self.say(f"a worker was lost; its shard {task.shard} goes to another one")
            self._waiting.appendleft(task.shard)
        else:
            self.say(f"shard {task.shard} has cost {_MOST_LOSSES} workers and is left out: {why}")
            self.given_up.append(task.shard)

    def _tell_of_silence(self) -> None:
        at_work = sum(task.shard is not None for task in self._tasks.values())
        if not at_work:
            self.say("waiting for the cluster: no worker has started yet")


def _reason(error: Exception) -> str:
    """The last line of what Ray says of a worker: before it stand identifiers and traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "Error:" in line), lines[-1] if lines else type(error).__name__)
