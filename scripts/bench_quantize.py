#!/usr/bin/env python
"""EdgeCNN's int8 beside onnxruntime's own quantizer: same float file, same pictures, one run.

    python scripts/bench_quantize.py MODEL.onnx DATA [--draws 5] [--samples 200] [--also OTHER_PICTURES] [--rounds 100]

MODEL is a float file that `edgecnn export` wrote; DATA is dealt into pictures that calibrate and pictures that judge, anew in each draw. With --also
the files of the first draw answer those pictures too, without labels. Speed is measured with rounds in turn, at one thread and at two.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from rich.console import Console
from rich.table import Table

from edgecnn.cli.output import reporting
from edgecnn.dataset import find_pictures
from edgecnn.loading import fitted_batches
from edgecnn.manifest import MANIFEST_KEY
from edgecnn.metrics import mean_kl
from edgecnn.preprocess import Image
from edgecnn.runtime.fusion import check_fusion
from edgecnn.runtime.session import ModelSession, open_session
from exporters import QuantizeOptions, quantize
from exporters.quantize_pictures import choose_pictures

Floats = NDArray[np.floating]


def main() -> None:
    """Prints accuracy of each draw, its mean, and the race."""
    asked = _arguments()
    float_session = open_session(asked.model, "cpu")
    accuracy = _table("draw", "by")
    means: dict[str, list[_Fidelity]] = {"stock": [], "edgecnn": []}
    with tempfile.TemporaryDirectory() as folder:
        for draw in range(asked.draws):
            files = {"stock": Path(folder, f"stock{draw}.onnx"), "edgecnn": Path(folder, f"edgecnn{draw}.onnx")}
            chosen = choose_pictures(asked.data, float_session, asked.samples, draw)
            seconds = {"stock": _stock(asked.model, chosen.calibration, float_session, files["stock"])}
            started = time.perf_counter()
            with reporting() as reporter:
                result = quantize(
                    asked.model,
                    asked.data,
                    files["edgecnn"],
                    QuantizeOptions(samples=asked.samples, max_drop=1.0, min_speedup=0.0, seed=draw),
                    reporter,
                )
            seconds["edgecnn"] = time.perf_counter() - started
            expected = _outputs(float_session, chosen.judged)
            for name, file in files.items():
                found = _fidelity(expected, _outputs(open_session(file, "cpu"), chosen.judged), chosen.truth)
                means[name].append(found)
                accuracy.add_row(str(draw), name, *found.cells(), f"{seconds[name]:.0f}")
                print(f"draw {draw}, {name}: {', '.join(found.cells())}, {seconds[name]:.0f} s", flush=True)
            print(f"draw {draw}: {result.calibration}", flush=True)
        for name, each in means.items():
            accuracy.add_row("mean", name, *_mean(each).cells(), "", style="bold")
        console = Console(width=130)
        console.print(accuracy)
        first = {"stock": Path(folder, "stock0.onnx"), "edgecnn": Path(folder, "edgecnn0.onnx")}
        if asked.also:
            console.print(_also(asked.also, float_session, first))
        for threads in (1, 2):
            console.print(_race({"float": asked.model, **first}, threads, asked.rounds))
        for name, file in first.items():
            fusion = check_fusion(file)
            print(
                f"{name}: {len(fusion.fused)} in int8, broken {len(fusion.broken)}, stray {len(fusion.stray)}, slow: {[f.why for f in fusion.slow]}"
            )
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--also", type=Path, help="pictures without labels, to compare answers on")
    parser.add_argument("--rounds", type=int, default=100)
    return parser.parse_args()


def _table(*first: str) -> Table:
    return Table(*first, "top-1 float", "top-1 int8", "agreement", "KL", "SQNR, dB", "seconds")


@dataclass(frozen=True)
class _Fidelity:
    float_top1: float | None
    top1: float | None
    agreement: float
    kl: float
    sqnr_db: float  # of the logits, each picture's mean taken out: softmax does not see it

    def cells(self) -> list[str]:
        accuracy = ["" if x is None else f"{x:.4f}" for x in (self.float_top1, self.top1)]
        return [*accuracy, f"{self.agreement:.4f}", f"{self.kl:.5f}", f"{self.sqnr_db:.1f}"]


def _mean(each: list[_Fidelity]) -> _Fidelity:
    def of(name: str) -> float:
        return statistics.mean(getattr(f, name) for f in each)

    labelled = each[0].top1 is not None
    return _Fidelity(of("float_top1") if labelled else None, of("top1") if labelled else None, of("agreement"), of("kl"), of("sqnr_db"))


def _fidelity(expected: Floats, found: Floats, truth: tuple[int, ...] | None) -> _Fidelity:
    """Both probabilities ``[N, C]``."""
    a, b = (np.log(np.maximum(p, 1e-12)) for p in (expected, found))
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    right = [None, None] if truth is None else [float((p.argmax(1) == np.array(truth)).mean()) for p in (expected, found)]
    return _Fidelity(
        float_top1=right[0],
        top1=right[1],
        agreement=float((expected.argmax(1) == found.argmax(1)).mean()),
        kl=mean_kl(expected, found),
        sqnr_db=float(10 * np.log10((a**2).sum() / ((a - b) ** 2).sum())),
    )


def _outputs(session: ModelSession, paths: tuple[Path, ...]) -> Floats:
    return np.concatenate([session.probabilities(batch.images) for batch in fitted_batches(paths, session.manifest, 25)])


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Iterator[Image]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, Image] | None:
        found = next(self._batches, None)
        return None if found is None else {"image": found}


def _stock(model: Path, calibration: tuple[Path, ...], session: ModelSession, out: Path) -> float:
    """onnxruntime's `quantize_static` as its documentation has it for a CPU with VNNI: QDQ, uint8 activations, int8 weights a channel, min-max."""
    started = time.perf_counter()
    pictures = (image[None] for batch in fitted_batches(calibration, session.manifest, 25) for image in batch.images)
    quantize_static(
        model, out, _Reader(pictures), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8
    )
    made = onnx.load(out)
    if not any(p.key == MANIFEST_KEY for p in made.metadata_props):  # the stock tool drops it
        made.metadata_props.extend(onnx.load(model).metadata_props)
        onnx.save(made, out)
    return time.perf_counter() - started


def _also(data: Path, float_session: ModelSession, files: dict[str, Path]) -> Table:
    paths = tuple(find_pictures(data))
    expected = _outputs(float_session, paths)
    table = _table(f"{len(paths)} pictures of {data.name}", "")
    for name, file in files.items():
        table.add_row("", name, *_fidelity(expected, _outputs(open_session(file, "cpu"), paths), None).cells(), "")
    return table


def _race(files: dict[str, Path], threads: int, rounds: int) -> Table:
    """One picture at a time, all files in turn."""
    sessions = {name: open_session(file, "cpu", threads=threads) for name, file in files.items()}
    shape = next(iter(sessions.values())).input_shape
    image = np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)
    times: dict[str, list[float]] = {name: [] for name in files}
    for i in range(-10, rounds):
        for name, session in sessions.items():
            started = time.perf_counter()
            session.probabilities(image)
            if i >= 0:
                times[name].append((time.perf_counter() - started) * 1e3)
    table = Table("file", "ms, median", "against float", "MB", title=f"{threads} threads, {rounds} rounds")
    for name, found in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["float"], found, strict=True))
        table.add_row(name, f"{statistics.median(found):.2f}", f"{ratio:.2f}x", f"{files[name].stat().st_size / 1e6:.2f}")
    return table


if __name__ == "__main__":
    main()
