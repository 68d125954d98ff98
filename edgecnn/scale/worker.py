"""A worker of a cluster: holds a classifier with one thread, and answers shard after shard.

The class knows nothing of Ray: :mod:`edgecnn.scale.dispatch` makes an actor of it.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn._version import __version__
from edgecnn.errors import EdgeCNNError, ImageError, InputNotFoundError, ModelError
from edgecnn.scale.images.addresses import is_stored
from edgecnn.scale.rows import Row, ShardFacts, parquet_bytes

if TYPE_CHECKING:
    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.streaming.region import Region
    from edgecnn.scale.images.storage import Storage

__all__ = ["Shard", "ShardAnswer", "ShardWorker", "WorkerOrder"]

_READERS = 8  # threads that wait for a store; its answers take tens of milliseconds
_AHEAD = 16  # files that are read before they are needed


@dataclass(frozen=True)
class WorkerOrder:
    """What a worker needs to open a model and to read images, on any machine."""

    model_name: str  # the path that the user gave, for messages
    model: bytes = field(repr=False)
    classifier: dict[str, Any]  # arguments of Classifier
    storage: Storage
    region: Region | None
    labelled: bool
    local: str | None  # an image that this machine has to see; None: all images lie in stores
    version: str = __version__  # of EdgeCNN, which has to be the same everywhere


@dataclass(frozen=True)
class Shard:
    """Images to answer."""

    number: int
    first: int  # number of its first image in the list
    names: Sequence[str]
    truth: Sequence[int] | None = None  # class indices of labelled images


@dataclass(frozen=True)
class ShardAnswer:
    """The Parquet file of a shard, and what it holds."""

    number: int
    content: bytes = field(repr=False)
    facts: ShardFacts


class ShardWorker:
    """Answers shards. :meth:`open` comes first; a constructor that fails would end an actor without a reason."""

    def __init__(self, order: WorkerOrder) -> None:
        self._order = order
        self._classifier: Classifier | None = None

    def open(self) -> str:
        """Opens the model, and returns the name of the machine.

        Raises:
            EdgeCNNError: the model cannot be used here, EdgeCNN is of another version, or the images are not here. The
                message begins with the machine.
        """
        try:
            self._check_machine()
            self._classifier = _opened(self._order)
        except EdgeCNNError as error:
            raise type(error)(f"worker on {socket.gethostname()}: {error}") from None
        return socket.gethostname()

    def _check_machine(self) -> None:
        order = self._order
        if order.version != __version__:
            raise ModelError(
                f"has EdgeCNN {__version__}, and the command {order.version}; install the same version on every machine"
            )
        if order.local and not os.path.exists(os.path.join(order.storage.base, order.local)):  # noqa: PTH110, PTH118
            raise InputNotFoundError(
                f"{order.local}: is not on this machine; mount the folder on every machine, or name a bucket"
            )

    def answer(self, shard: Shard) -> ShardAnswer:
        """Answers the images of a shard, in order. One that cannot be read becomes a row with status ``error``."""
        assert self._classifier is not None, "open() comes first"
        start = time.perf_counter()
        rows = [
            _row(self._classifier, read, shard.names[i], shard.first + i, self._order.region)
            for i, read in enumerate(_readers(self._order.storage, shard.names))
        ]
        if shard.truth is not None:
            rows = [replace(row, truth=truth) for row, truth in zip(rows, shard.truth, strict=True)]
        statuses = Counter(row.prediction.status for row in rows)
        facts = ShardFacts(len(rows), statuses, time.perf_counter() - start)
        return ShardAnswer(shard.number, parquet_bytes(rows, facts, labelled=self._order.labelled), facts)


def _opened(order: WorkerOrder) -> Classifier:
    """Opens the model from its bytes: the file that they come from may be on another machine."""
    import cv2  # noqa: PLC0415  # here in the worker alone

    from edgecnn.runtime.classifier import Classifier  # noqa: PLC0415

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
        path = Path(folder) / Path(order.model_name).name
        path.write_bytes(order.model)
        try:
            return Classifier(path, **order.classifier)
        except EdgeCNNError as error:
            raise type(error)(str(error).replace(str(path), order.model_name)) from None


def _readers(storage: Storage, names: Sequence[str]) -> Iterable[Callable[[], bytes]]:
    """What gives the bytes of each image, in order. Those of stores are read ahead."""
    if not any(map(is_stored, names)):
        return (partial(storage.read, name) for name in names)
    from edgecnn.runtime.streaming.prefetch import prefetch_map  # noqa: PLC0415  # folders need no threads

    return prefetch_map(partial(_read_before, storage), names, _READERS, _AHEAD)


def _read_before(storage: Storage, name: str) -> Callable[[], bytes]:
    try:
        return partial(_given, storage.read(name))
    except (ImageError, InputNotFoundError) as error:
        return partial(_given, error)


def _given(content: bytes | EdgeCNNError) -> bytes:
    if isinstance(content, EdgeCNNError):
        raise content
    return content


def _row(classifier: Classifier, read: Callable[[], bytes], name: str, index: int, region: Region | None) -> Row:
    """The answer to one image, as ``predict`` gives it."""
    from edgecnn.runtime.decision import Missing  # noqa: PLC0415
    from edgecnn.runtime.sources.frame import read_frame_bytes  # noqa: PLC0415

    # A region is cut out of the whole image
    model = classifier.manifest.model_input if region is None else None
    try:
        frame = read_frame_bytes(read, name, index, classifier.max_pixels, model)
        part = frame if region is None else region.crop(frame)
    except (ImageError, InputNotFoundError) as error:
        reason = str(error).removeprefix(f"{name}: ")
        missing = Missing("error", reason, name, index, region=None if region is None else str(region))
        return Row(classifier.report_missing(missing))
    [answer] = classifier.answer([part])
    return Row(answer.prediction, probabilities=answer.probabilities)
