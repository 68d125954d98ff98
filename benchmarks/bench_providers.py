"""Races providers over model files, in turns in one process, so that all see the same machine.

    python benchmarks/bench_providers.py model.onnx model.int8.onnx --ep cpu,openvino --threads 1 --rounds 300
    python benchmarks/bench_providers.py model.onnx model.fp16.onnx --ep cuda,tensorrt --batch 1,8,64 --torch
    run/weights/best.pt --compile --plain

Pixels come from memory and probabilities go back there, for every contender. Each round has an order of its own, by
chance: whoever follows a run of
the same weights finds them in the cache. `share` is the median over rounds of a contender's time by the first one's in
the same round: below 1 is
quicker. `off by` is the largest difference of a probability from the first one's. A file that a provider refuses is
named with the reason.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgecnn.errors import ProviderError
from edgecnn.preprocess import Image
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions, read_provider_options

WARM_UP = 10


@dataclass
class Contender:
    """A way to run a model, and how long each round took it."""

    model: str
    way: str
    nodes: str
    run: Callable[[Image], NDArray[np.float32]]
    times_ms: list[float] = field(default_factory=list)


def main() -> None:
    arguments = parse()
    shape = open_session(arguments.models[0], "cpu").input_shape
    for batch in map(int, arguments.batch.split(",")):
        race(
            list(entered(arguments, batch)),
            np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8),
            arguments,
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="+", type=Path, help="model files of one size; the first is what the others are held against"
    )
    parser.add_argument("--ep", default="cpu,openvino", help="providers, separated by commas")
    parser.add_argument(
        "--ep-option", action="append", default=[], metavar="KEY=VALUE", help="of every provider but the CPU"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", default="1", help="images an inference; several, separated by commas: a table each")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument(
        "--io-binding", action="store_true", help="each session once more, with its input and output bound once"
    )
    parser.add_argument("--plain", action="store_true", help="each once more as onnxruntime opens it by itself")
    parser.add_argument(
        "--torch",
        type=Path,
        metavar="CKPT",
        help="the checkpoint that the files come from, on torch: on the GPU where there is one",
    )
    parser.add_argument("--compile", action="store_true", help="the same through torch.compile")
    return parser.parse_args()


def race(contenders: list[Contender], images: Image, arguments: argparse.Namespace) -> None:
    answers = [contender.run(images) for contender in contenders]
    random = np.random.default_rng(0)
    for i in range(-WARM_UP, arguments.rounds):
        for contender in (contenders[place] for place in random.permutation(len(contenders))):
            begun = time.perf_counter()
            contender.run(images)
            if i >= 0:
                contender.times_ms.append((time.perf_counter() - begun) * 1e3)
    show(contenders, answers, len(images), arguments)


def entered(arguments: argparse.Namespace, batch: int) -> Iterator[Contender]:
    for path in arguments.models:
        for ep in arguments.ep.split(","):
            try:
                yield from on_onnxruntime(path, ep, batch, arguments)
            except ProviderError as error:
                print(error)
    if arguments.torch:
        yield from on_torch(arguments)


def on_onnxruntime(path: Path, ep: str, batch: int, arguments: argparse.Namespace) -> Iterator[Contender]:
    told = {} if ep == "cpu" else read_provider_options(arguments.ep_option)
    session = open_session(path, ep, options=RunOptions(arguments.threads, provider_options=told))
    nodes = "" if session.nodes is None else ", ".join(f"{count} {name}" for name, count in session.nodes.items())
    yield Contender(path.name, ep, nodes, session.probabilities)
    if arguments.io_binding:
        yield Contender(path.name, f"{ep}, IO binding", nodes, bound(session, batch))
    full_name = session._session.get_providers()[0]  # noqa: SLF001
    if arguments.plain and full_name in onnxruntime.get_available_providers():  # a plugin's has to be registered first
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        plain = onnxruntime.InferenceSession(str(path), options, providers=[full_name])
        yield Contender(
            path.name, f"{ep}, plain onnxruntime", "", lambda images: plain.run(["probabilities"], {"image": images})[0]
        )


def bound(session: ModelSession, batch: int) -> Callable[[Image], NDArray[np.float32]]:
    """The same session, its input copied into one place and its output written to one."""
    engine = session._session  # noqa: SLF001  # the runner has no IO binding of its own, for what is measured here
    given, answer = np.empty((batch, *session.input_shape), np.uint8), np.empty((batch, session.classes), np.float32)
    binding = engine.io_binding()
    binding.bind_input("image", "cpu", 0, np.uint8, given.shape, given.ctypes.data)
    binding.bind_output("probabilities", "cpu", 0, np.float32, answer.shape, answer.ctypes.data)

    def run(image: Image) -> NDArray[np.float32]:
        np.copyto(given, image)
        engine.run_with_iobinding(binding)
        return answer.copy()

    return run


def on_torch(arguments: argparse.Namespace) -> Iterator[Contender]:
    import torch  # noqa: PLC0415  # a device has none, and races all the same

    from edgecnn.training.tensors import normalize, two_columns  # noqa: PLC0415
    from edgecnn.training.torch_backend import open_checkpoint  # noqa: PLC0415

    torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    backend = open_checkpoint(arguments.torch)
    network = backend.network.to(device, memory_format=torch.channels_last)
    rule, temperature = backend.manifest.normalization, backend.manifest.temperature

    def way(network: torch.nn.Module, dtype: torch.dtype) -> Callable[[Image], NDArray[np.float32]]:
        def run(images: Image) -> NDArray[np.float32]:
            with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = two_columns(network(normalize(images, rule, device))).float()
                return logits.div(temperature).softmax(1).cpu().numpy()

        return run

    for dtype in (torch.float32, half):
        told = f"torch {device.type}, {str(dtype).removeprefix('torch.')}"
        yield Contender(arguments.torch.name, told, "", way(network, dtype))
        if arguments.compile:
            yield Contender(arguments.torch.name, f"{told}, compiled", "", way(torch.compile(network), dtype))


def show(
    contenders: list[Contender], answers: list[NDArray[np.float32]], batch: int, arguments: argparse.Namespace
) -> None:
    times = np.array([c.times_ms for c in contenders])  # [contenders, rounds]
    shares = np.median(times / times[0], axis=1)
    title = f"{arguments.rounds} rounds in turns, batch {batch}, {arguments.threads} threads"
    table = Table(
        "file",
        "provider",
        "nodes",
        "ms p50",
        "ms p95",
        "images/s",
        "share",
        "off by",
        title=title,
        title_justify="left",
    )
    for contender, row, share, answer in zip(contenders, times, shares, answers, strict=True):
        p50, p95 = np.percentile(row, (50, 95))
        off = float(np.abs(answer - answers[0]).max())
        figures = f"{p50:.2f}", f"{p95:.2f}", f"{1e3 * batch / p50:.4g}", f"{share:.3f}", f"{off:.1g}"
        table.add_row(contender.model, contender.way, contender.nodes, *figures)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
