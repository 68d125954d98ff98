"""Times networks at many image sizes, in turn: what `edgecnn search` has to know of a device.

A zoo is a folder of untrained model files. Speed does not depend on the weights, so one file stands for every size of
its network: each is timed at the sizes of ``SIDES`` up to its own, if it takes others than its own.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import InputNotFoundError, ManifestError, ModelError
from edgecnn.manifest import GOLDEN_KEY, MANIFEST_KEY, Manifest
from edgecnn.plain_json import UNFIT
from edgecnn.progress import Progress
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.system.cpu_features import cpu_name

__all__ = ["SIDES", "ZOO_KEY", "ZooResult", "ZooTiming", "benchmark_zoo", "time_in_turn"]

ZOO_KEY = "edgecnn.zoo"
"""Metadata key of a zoo's files: JSON with the ``model``, the share that was ``pruned``, and whether it takes images of
``one_size`` alone."""

SIDES = (32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 260)
"""Image sizes in pixels."""

_ROUNDS, _RUNS, _WARM_UP = 3, 20, 2


@dataclass(frozen=True)
class ZooTiming:
    """A network at one image size, as this device runs it."""

    model: str
    imgsz: int  # pixels, of a square
    pruned: float  # share of the multiply-accumulates that pruning removed
    precision: str
    latency_ms: float  # of one image, undisturbed


@dataclass(frozen=True)
class ZooResult:
    """The report of ``edgecnn benchmark --zoo``; field names are the JSON keys."""

    ep: str  # what ran; several with commas
    threads: int
    cpu: str
    timings: tuple[ZooTiming, ...]


@dataclass(frozen=True, eq=False)
class _Entry:
    """A file of a zoo, which was checked. Its content is read when it is its turn."""

    path: Path
    sha256: str
    model: str
    pruned: float
    one_size: bool
    manifest: Manifest
    ep: str  # that runs it


@dataclass(frozen=True, eq=False)
class _Timed:
    read: Callable[[], ModelFile]  # when it is its turn, so that one at a time is in memory
    ep: str


def benchmark_zoo(folder: Path, ep: str, options: RunOptions, progress: Progress) -> ZooResult:
    """Times every file of a zoo at every size. One file at a time is in memory, so that a small device holds it.

    Args:
        folder: of `edgecnn search`, with its ``.onnx`` files.
        ep: execution provider.
        options: threads and provider options.
        progress: told of the timings done.

    Raises:
        InputNotFoundError: no such folder, or no model file in it.
        ModelError, ManifestError: a file cannot be used, or is not of a zoo.
        ProviderError: the provider cannot be used.
    """
    entries = sorted(
        (_entry(path, ep, options) for path in folder.glob("*.onnx")),
        key=lambda entry: (entry.model, entry.pruned, entry.manifest.precision),
    )
    if not entries:
        raise InputNotFoundError(f"{folder}: no zoo; `edgecnn search` writes one into its output folder")
    planned = [(entry, side) for entry in entries for side in _sides(entry)]
    files = [_Timed(partial(_resized, entry, side), entry.ep) for entry, side in planned]
    timings = tuple(
        ZooTiming(entry.model, side, entry.pruned, entry.manifest.precision, took)
        for (entry, side), took in zip(planned, _in_turn(files, options, progress), strict=True)
    )
    return ZooResult(",".join(sorted({entry.ep for entry in entries})), options.thread_count, cpu_name(), timings)


def time_in_turn(paths: Sequence[Path], ep: str, options: RunOptions, progress: Progress) -> list[float]:
    """Milliseconds of one image for each file, undisturbed. They are own files, and are not checked again.

    Raises as :func:`benchmark_zoo`.
    """
    return _in_turn([_Timed(partial(read_model_file, path), ep) for path in paths], options, progress)


def _in_turn(files: Sequence[_Timed], options: RunOptions, progress: Progress) -> list[float]:
    """The least of the rounds' figures of each file."""
    found = [float("inf")] * len(files)
    for round_ in range(_ROUNDS):
        for i, file in enumerate(files):
            found[i] = min(found[i], _time(file.read(), file.ep, options))
            progress(round_ * len(files) + i + 1, _ROUNDS * len(files))
    return found


def _sides(entry: _Entry) -> Sequence[int]:
    largest = max(entry.manifest.input.height, entry.manifest.input.width)
    return sorted({side for side in SIDES if side < largest and not entry.one_size} | {largest})


def _entry(path: Path, ep: str, options: RunOptions) -> _Entry:
    try:
        file = read_model_file(path)
        session = open_session(file, ep, options=options)  # checks the file, as of any origin
    except (ModelError, ManifestError) as error:
        raise ModelError(f"{error}. In a zoo: delete the file; the same `edgecnn search` writes it again") from error
    properties = {entry.key: entry.value for entry in parse_model(file.content, path).metadata_props}
    try:
        told = json.loads(properties[ZOO_KEY])
        return _Entry(
            path=path,
            sha256=file.sha256,
            model=str(told["model"]),
            pruned=float(told["pruned"]),
            one_size=told.get("one_size") is True,
            manifest=session.manifest,
            ep=session.ep,
        )
    except UNFIT as error:
        raise ModelError(f"{path}: is not a file of a zoo; leave only those in the folder") from error


def _resized(entry: _Entry, side: int) -> ModelFile:
    """The same network for square images of this size. Its answers mean nothing: padding is that of the own size."""
    file = read_model_file(entry.path)
    if file.sha256 != entry.sha256:
        raise ModelError(f"{entry.path}: has changed since the benchmark began; run it again")
    model: Any = parse_model(file.content, file.path, with_data=True)
    image = model.graph.input[0].type.tensor_type.shape
    for dimension in image.dim[1:3]:  # [N, H, W, 3]
        dimension.dim_value = side
    del model.graph.value_info[:]  # shapes of the own size
    manifest = entry.manifest.replace(input=replace(entry.manifest.input, height=side, width=side))
    for i in reversed(range(len(model.metadata_props))):
        if model.metadata_props[i].key == MANIFEST_KEY:
            model.metadata_props[i].value = manifest.to_json()
        elif model.metadata_props[i].key == GOLDEN_KEY:
            del model.metadata_props[i]
    content = model.SerializeToString(deterministic=True)
    return ModelFile(file.path, content, hashlib.sha256(content).hexdigest())


def _time(file: ModelFile, ep: str, options: RunOptions) -> float:
    """The lower quartile of the times of one image in milliseconds: what disturbs only adds time."""
    session = open_session(file, ep, options=options, trusted=True)
    image = np.random.default_rng(0).integers(0, 256, (1, *session.input_shape), np.uint8)
    times = []
    for i in range(-_WARM_UP, _RUNS):
        begun = time.perf_counter()
        session.probabilities(image)
        if i >= 0:
            times.append((time.perf_counter() - begun) * 1e3)
    return statistics.quantiles(times, n=4)[0]
