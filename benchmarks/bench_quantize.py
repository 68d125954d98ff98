#!/usr/bin/env python
"""EdgeCNN's int8 beside other tools': same float file, same images, one run.

    python benchmarks/bench_quantize.py MODEL.onnx DATA [--draws 5] [--samples 200] [--also OTHER_IMAGES] [--rounds 100]

MODEL is a float file that `edgecnn export` wrote; DATA is dealt into images that calibrate and images that evaluate,
anew in each draw. With --also
the files of the first draw answer those images too, without labels. Beside onnxruntime's own quantizer stand NNCF's and
AIMET's where they are
installed, and each file also runs on OpenVINO where that is (pip install nncf openvino aimet-onnx). Each tool works in
a process of its own, so that
its memory can be told. Speed is measured with rounds in turn, at one thread and at two.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from rich.console import Console
from rich.table import Table

from edgecnn.data.dataset import find_images
from edgecnn.data.loading import fitted_batches
from edgecnn.evaluation.metrics import mean_kl
from edgecnn.manifest import MANIFEST_KEY
from edgecnn.preprocess import Image
from edgecnn.runtime.analysis.int8_kernels import check_fusion
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from exporters import QuantizeOptions, quantize
from exporters.quantization.eval_images import choose_images
from exporters.quantization.qdq import never_quantized

Floats = NDArray[np.floating]


def main() -> None:
    """Prints accuracy of each draw, its mean, and the race."""
    asked = _arguments()
    if asked.tool:
        print(json.dumps(_work(asked)))
        return
    float_session = open_session(asked.model, "cpu")
    accuracy = _table("draw", "by", "seconds", "peak MB")
    peers = [tool for tool, package in (("nncf", "nncf"), ("aimet", "aimet_onnx")) if find_spec(package)]
    tools = ["stock", *peers, "edgecnn"]
    found: dict[str, list[_Fidelity]] = {tool: [] for tool in tools}
    with tempfile.TemporaryDirectory() as folder:
        for draw in range(asked.draws):
            chosen = choose_images(asked.data, float_session, asked.samples, draw)
            expected = _outputs(float_session, chosen.evaluated)
            for tool in tools:
                file = Path(folder, f"{tool}{draw}.onnx")
                cost = _in_a_process(asked, tool, draw, file)
                fidelity = _fidelity(expected, _outputs(open_session(file, "cpu"), chosen.evaluated), chosen.truth)
                found[tool].append(fidelity)
                accuracy.add_row(str(draw), tool, *fidelity.cells(), f"{cost['seconds']:.0f}", f"{cost['peak_mb']:.0f}")
                print(f"draw {draw}, {tool}: {', '.join(fidelity.cells())}, {cost}", flush=True)
        for tool, each in found.items():
            accuracy.add_row("mean", tool, *_mean(each).cells(), "", "", style="bold")
        console = Console(width=130)
        console.print(accuracy)
        first = {tool: Path(folder, f"{tool}0.onnx") for tool in tools}
        if asked.also:
            console.print(_also(asked.also, float_session, first))
        for threads in (1, 2):
            console.print(_race({"float": asked.model, **first}, threads, asked.rounds))
        for name, file in first.items():
            fusion = check_fusion(file)
            faults = f"broken {len(fusion.broken)}, stray {len(fusion.stray)}, slow: {[f.why for f in fusion.slow]}"
            print(f"{name}: {len(fusion.fused)} in int8, {faults}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--also", type=Path, help="images without labels, to compare answers on")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument(
        "--tool",
        choices=tuple(_TOOLS),
        help="quantize by this one alone, draw --draws, into --out, and print what it cost",
    )
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _in_a_process(asked: argparse.Namespace, tool: str, draw: int, out: Path) -> dict[str, Any]:
    options = ["--tool", tool, "--draws", str(draw), "--samples", str(asked.samples), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, __file__, asked.model, asked.data, *options], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _work(asked: argparse.Namespace) -> dict[str, Any]:
    """Quantizes once; what it took."""
    started = time.perf_counter()
    told = _TOOLS[asked.tool](asked.model, asked.data, asked.samples, asked.draws, asked.out)
    return {"seconds": time.perf_counter() - started, "peak_mb": _peak_mb(), "told": told}


def _peak_mb() -> float:
    """Of this program's own memory: ru_maxrss would count what its parent held when it started it."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _edgecnn(model: Path, data: Path, samples: int, draw: int, out: Path) -> str:
    options = QuantizeOptions(samples=samples, max_drop=1.0, min_speedup=0.0, seed=draw)
    return str(quantize(model, data, out, options).calibration)


def _stock(model: Path, data: Path, samples: int, draw: int, out: Path) -> str:
    """onnxruntime's `quantize_static` as its documentation has it for a CPU with VNNI.

    QDQ, uint8 activations, int8 weights a channel, min-max.

    Left to itself it would quantize the probabilities too, in steps of 1/256; what follows the classifier is kept from
    it.
    """
    images = (image[None] for image in _calibration(model, data, samples, draw))
    quantize_static(
        model,
        out,
        _Reader(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=never_quantized(onnx.load(model)),
    )
    _keep_metadata(model, out)
    return "minmax"


def _nncf(model: Path, data: Path, samples: int, draw: int, out: Path) -> str:
    """NNCF as its documentation has it for ONNX, with its own choice of everything; activation corrections included."""
    import nncf  # noqa: PLC0415  # may not be installed

    dataset = nncf.Dataset(list(_calibration(model, data, samples, draw)), lambda image: {"image": image[None]})
    onnx.save(nncf.quantize(onnx.load(model), dataset, subset_size=samples), out)
    _keep_metadata(model, out)
    return f"nncf {nncf.__version__}"


def _aimet(model: Path, data: Path, samples: int, draw: int, out: Path) -> str:
    """AIMET's simulation with its defaults, written as QDQ; what follows the classifier is kept from it too."""
    import aimet_onnx  # noqa: PLC0415  # may not be installed
    from aimet_onnx.quantsim import QuantizationSimModel  # noqa: PLC0415

    proto = onnx.load(model)
    kept = {name for node in proto.graph.node if node.name in never_quantized(proto) for name in node.output}
    int8 = aimet_onnx.int8
    simulation = QuantizationSimModel(proto, param_type=int8, activation_type=int8, providers=["CPUExecutionProvider"])
    for name, quantizer in simulation.qc_quantize_op_dict.items():
        if name.removesuffix("_updated") in kept or name == "image":
            quantizer.enabled = False
    simulation.compute_encodings([{"image": image[None]} for image in _calibration(model, data, samples, draw)])
    onnx.save(simulation.to_onnx_qdq(), out)
    _keep_metadata(model, out)
    return f"aimet-onnx {aimet_onnx.__version__}"


_TOOLS: dict[str, Callable[[Path, Path, int, int, Path], str]] = {
    "edgecnn": _edgecnn,
    "stock": _stock,
    "nncf": _nncf,
    "aimet": _aimet,
}


def _calibration(model: Path, data: Path, samples: int, draw: int) -> Iterator[Image]:
    session = open_session(model, "cpu")
    chosen = choose_images(data, session, samples, draw)
    return (image for batch in fitted_batches(chosen.calibration, session.manifest, 25) for image in batch.images)


def _keep_metadata(model: Path, out: Path) -> None:
    made = onnx.load(out)
    if not any(p.key == MANIFEST_KEY for p in made.metadata_props):
        made.metadata_props.extend(onnx.load(model).metadata_props)
    made.ir_version = min(made.ir_version, 11)
    onnx.save(made, out)


def _table(first: str, second: str, *last: str) -> Table:
    return Table(first, second, "top-1 float", "top-1 int8", "agreement", "KL", "SQNR, dB", *last)


@dataclass(frozen=True)
class _Fidelity:
    float_top1: float | None
    top1: float | None
    agreement: float
    kl: float
    sqnr_db: float  # of the logits, each image's mean taken out: softmax does not see it

    def cells(self) -> list[str]:
        accuracy = ["" if x is None else f"{x:.4f}" for x in (self.float_top1, self.top1)]
        return [*accuracy, f"{self.agreement:.4f}", f"{self.kl:.5f}", f"{self.sqnr_db:.1f}"]


def _mean(each: list[_Fidelity]) -> _Fidelity:
    def of(name: str) -> float:
        return statistics.mean(getattr(f, name) for f in each)

    labelled = each[0].top1 is not None
    return _Fidelity(
        float_top1=of("float_top1") if labelled else None,
        top1=of("top1") if labelled else None,
        agreement=of("agreement"),
        kl=of("kl"),
        sqnr_db=of("sqnr_db"),
    )


def _fidelity(expected: Floats, found: Floats, truth: tuple[int, ...] | None) -> _Fidelity:
    """Both probabilities ``[N, C]``."""
    a, b = (np.log(np.maximum(p, 1e-12)) for p in (expected, found))
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    right = (
        [None, None] if truth is None else [float((p.argmax(1) == np.array(truth)).mean()) for p in (expected, found)]
    )
    return _Fidelity(
        float_top1=right[0],
        top1=right[1],
        agreement=float((expected.argmax(1) == found.argmax(1)).mean()),
        kl=mean_kl(expected, found),
        sqnr_db=float(10 * np.log10((a**2).sum() / ((a - b) ** 2).sum())),
    )


def _outputs(session: ModelSession, paths: tuple[Path, ...]) -> Floats:
    return np.concatenate(
        [session.probabilities(batch.images) for batch in fitted_batches(paths, session.manifest, 25)]
    )


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Iterator[Image]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, Image] | None:
        found = next(self._batches, None)
        return None if found is None else {"image": found}


def _also(data: Path, float_session: ModelSession, files: dict[str, Path]) -> Table:
    paths = tuple(find_images(data))
    expected = _outputs(float_session, paths)
    table = _table(f"{len(paths)} images of {data.name}", "")
    for name, file in files.items():
        table.add_row("", name, *_fidelity(expected, _outputs(open_session(file, "cpu"), paths), None).cells())
    return table


def _race(files: dict[str, Path], threads: int, rounds: int) -> Table:
    """One image at a time, all files in turn; on OpenVINO too where it is installed."""
    runs = {name: _on_onnxruntime(file, threads) for name, file in files.items()}
    if find_spec("openvino"):
        runs |= {f"{name} on OpenVINO": _on_openvino(file, threads) for name, file in files.items()}
    image = np.random.default_rng(0).integers(0, 256, (1, *open_session(files["float"], "cpu").input_shape), np.uint8)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(-10, rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run(image)
            if i >= 0:
                times[name].append((time.perf_counter() - started) * 1e3)
    table = Table("file", "ms, median", "against float", title=f"{threads} threads, {rounds} rounds")
    for name, found in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["float"], found, strict=True))
        table.add_row(name, f"{statistics.median(found):.2f}", f"{ratio:.2f}x")
    return table


def _on_onnxruntime(file: Path, threads: int) -> Callable[[Image], object]:
    return open_session(file, "cpu", threads=threads).probabilities


def _on_openvino(file: Path, threads: int) -> Callable[[Image], object]:
    import openvino  # noqa: PLC0415  # may not be installed

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(str(file), "CPU", settings).create_infer_request()
    return lambda image: request.infer([image])


if __name__ == "__main__":
    main()
