"""What admission costs: opening a model that was never seen, one that is known, and one without admission, in turn.

python benchmarks/bench_admission.py MODEL [MODEL ...] [--rounds 20]
python benchmarks/bench_admission.py MODEL [MODEL ...] --held-s 12
python benchmarks/bench_admission.py --nodes 3000 19500

With --held-s the child process gets no processor for so many seconds as it starts, as on a machine that is very busy: a
good model must open all the same. With --nodes, the processor time of the child for graphs of so many nodes, imports
included, whatever the limit is: onnxruntime's opening takes longer the larger a graph is, and not in proportion.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgecnn.runtime.admission import admission
from edgecnn.runtime.admission import verdict_cache as verdicts
from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.opening import open_session

_LONG_S = 300.0  # more than any graph needs
_CHANNELS = 8


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("models", nargs="*", type=Path)
    asked.add_argument("--nodes", nargs="+", type=int, default=[])
    asked.add_argument("--rounds", type=int, default=20)
    asked.add_argument("--held-s", type=float)
    options = asked.parse_args()
    for nodes in options.nodes:
        print(f"a graph of {nodes:,} nodes: {_probe_of_nodes_s(nodes):.1f} s of processor time", flush=True)
    if options.held_s is not None:
        for model in options.models:
            took_s = _opened_held_s(model, options.held_s)
            print(f"{model}: opened after {took_s:.1f} s, {options.held_s:g} s of them held up")
        return
    for model in options.models:
        found: dict[str, list[float]] = {"first sight": [], "known": [], "known to this process": [], "without": []}
        probe_s: list[float] = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["EDGECNN_CACHE"] = folder
                verdicts._here.clear()  # noqa: SLF001  # as another process would see it
                before = _children_s()
                found["first sight"].append(_open_ms(model))
                probe_s.append(_children_s() - before)
                verdicts._here.clear()  # noqa: SLF001  # as another process would see it
                found["known"].append(_open_ms(model))
                found["known to this process"].append(_open_ms(model))
                found["without"].append(_open_ms(model, trusted=True))
        without = statistics.median(found["without"])
        print(f"{model}, {model.stat().st_size / 1e6:.1f} MB, medians of {options.rounds} rounds:")
        for what, times in found.items():
            print(
                f"  {what:22} {statistics.median(times):7.1f} ms, {statistics.median(times) - without:+7.1f}; least "
                f"{min(times):7.1f}"
            )
        print(f"  processor time of a probe {1e3 * statistics.median(probe_s):.0f} ms")


def _opened_held_s(model: Path, held_s: float) -> float:
    """How long a model that was never seen takes to open, in seconds. Raises ModelError: it is refused."""
    start = admission._start  # noqa: SLF001

    def held_up(image: tuple[int, int], seconds: float | None) -> subprocess.Popen[bytes]:
        child = start(image, seconds)
        os.kill(child.pid, signal.SIGSTOP)
        threading.Timer(held_s, os.kill, (child.pid, signal.SIGCONT)).start()
        return child

    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGECNN_CACHE"] = folder
        verdicts._here.clear()  # noqa: SLF001  # as another process would see it
        admission._start = held_up  # noqa: SLF001
        begun = time.perf_counter()
        try:
            open_session(model, "cpu", threads=1)
        finally:
            admission._start = start  # noqa: SLF001
        return time.perf_counter() - begun


def _probe_of_nodes_s(nodes: int) -> float:
    """Processor time of the probe of a graph of convolutions, each with a Relu and an Add behind it, in seconds."""
    content = _chain(nodes // 3)
    file = ModelFile(Path(f"{nodes}.onnx"), content, hashlib.sha256(content).hexdigest())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGECNN_CACHE"] = folder
        before = _children_s()
        admission.admit(file, seconds=_LONG_S)
        return _children_s() - before


def _chain(blocks: int) -> bytes:
    random, last = np.random.default_rng(0), "first"
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels", "weights"], [last]),
    ]
    weights = [numpy_helper.from_array(random.random((_CHANNELS, 3, 1, 1), np.float32), "weights")]
    for i in range(blocks):
        values = 0.1 * random.random((_CHANNELS, _CHANNELS, 1, 1), np.float32)
        weights.append(numpy_helper.from_array(values, f"weights{i}"))
        nodes.append(helper.make_node("Conv", [last, f"weights{i}"], [f"conv{i}"]))
        nodes.append(helper.make_node("Relu", [f"conv{i}"], [f"relu{i}"]))
        nodes.append(helper.make_node("Add", [f"relu{i}", last], [f"sum{i}"]))
        last = f"sum{i}"
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 32, 32, 3])
    graph = helper.make_graph(
        nodes, "chain", [image], [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)], weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _open_ms(model: Path, *, trusted: bool = False) -> float:
    begun = time.perf_counter()
    open_session(model, "cpu", threads=1, trusted=trusted)
    return (time.perf_counter() - begun) * 1e3


def _children_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()
