"""Model files that a service must not take over, made by seeds: damaged, dishonest, and such that do not fit.

Each begins as the tests' tiny model, so that it is wrong in what its name says and in nothing else. Files that crash or
hang a library are none of them: what takes long here ends by itself, and is long only by EdgeCNN's limit of time. Files
byte by byte, by name, are in `tests/hostile_models.py`.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hostile_models import (
    FLOAT,
    INT64,
    STRING,
    UINT8,
    field,
    floats,
    longs,
    model,
    mutated,
    node,
    slow,
    value,
    with_pixels,
)
from serving.running import MODELS, TINY
from serving.swap.swap_models import change_manifest, edited, entry_of, with_entry

from edgecnn.manifest import GOLDEN_KEY, LABELS_KEY, MANIFEST_KEY

HARD_LINK = "weights.bin"
"""The name of a file that may lie beside a stored model, as a hard link to a secret one."""

_GOOD, _OTHER = TINY.read_bytes(), (MODELS / "tiny.int8.onnx").read_bytes()
_TOO_LONG = 60  # matrix products of 0.2 to 2 s each, where some seconds are allowed
_ODD: tuple[Any, ...] = (None, -1, 0, 10**30, 1.5, True, "", "\x00", "x" * 100_000, [], [[]], {}, {"a": [1]})


@dataclass(frozen=True)
class HostileModel:
    """A file: the name says what was done to it."""

    name: str
    content: bytes


def hostile_model_files(count: int, seed: int = 0, *, with_slow: bool = False) -> Iterator[HostileModel]:
    """As many files, every kind in turn; the beginning of a longer series is the shorter one.

    Args:
        count: how many.
        seed: gives the same files on every machine.
        with_slow: also one that computes until its time is over.
    """
    kinds = (*KINDS, _long) if with_slow else KINDS
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield HostileModel(f"{number:03d}{kind.__name__}.onnx", kind(random.Random(f"{seed} {number}")))


# Bytes


def _bytes_changed(chance: random.Random) -> bytes:
    return next(mutated(_GOOD, 1, chance.randrange(2**32)))[1]


def _cut(chance: random.Random) -> bytes:
    return _GOOD[: chance.randrange(1, len(_GOOD))]


def _zeros_behind(chance: random.Random) -> bytes:
    kept = chance.randrange(len(_GOOD))
    return _GOOD[:kept] + bytes(len(_GOOD) - kept)


def _spliced(chance: random.Random) -> bytes:
    """The beginning of one and the end of another model."""
    return _GOOD[: chance.randrange(len(_GOOD))] + _OTHER[chance.randrange(len(_OTHER)) :]


def _no_model(chance: random.Random) -> bytes:
    head = chance.choice(
        (b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x80\x04\x95", b"#!/bin/sh\n", b"<html>", _GOOD[:9])
    )
    return head + chance.randbytes(chance.choice((1, 100, 50_000)))


# What the file says of itself


def _no_entry(chance: random.Random) -> bytes:
    key = chance.choice((MANIFEST_KEY, GOLDEN_KEY))
    return edited(lambda made: made.metadata_props.remove(entry_of(made, key)))


def _damaged_entry(chance: random.Random) -> bytes:
    """A manifest or golden samples that are no JSON, or none of the kind that is expected."""

    def change(made: Any) -> None:
        entry = entry_of(made, chance.choice((MANIFEST_KEY, GOLDEN_KEY)))
        cut = entry.value[: chance.randrange(len(entry.value))]
        entry.value = chance.choice((cut, "[" * 100_000, "null", "[]", "{}", '{"schema": NaN}', entry.value[::-1]))

    return edited(change)


def _odd_manifest(chance: random.Random) -> bytes:
    part, key = chance.choice(
        (
            (None, "labels"),
            (None, "input"),
            ("input", "height"),
            ("input", "width"),
            (None, "schema"),
            (None, "preprocess"),
        )
    )

    def change(manifest: dict[str, Any]) -> None:
        odd = [each for each in _ODD if each is not None or key != "schema"]
        (manifest if part is None else manifest[part])[key] = chance.choice(odd)

    return edited(lambda made: change_manifest(made, change))


def _other_labels(chance: random.Random) -> bytes:
    """As many as the model has not."""
    count = chance.choice((0, 1, 3, 7, 1000, 20_000))
    labels = [chance.choice(("<script>alert(1)</script>", "../../etc", "a\x1b[2J", "é")) + str(i) for i in range(count)]

    def change(made: Any) -> None:
        change_manifest(made, lambda manifest: manifest.update(labels=labels))
        entry_of(made, LABELS_KEY).value = json.dumps(labels)

    return edited(change)


def _other_golden_samples(chance: random.Random) -> bytes:
    """Answers that the model does not give, or images that are none."""

    def change(made: Any) -> None:
        entry = entry_of(made, GOLDEN_KEY)
        found = json.loads(entry.value)
        sample = chance.choice(found["samples"])
        key = chance.choice(sorted(sample))
        if key == "png":
            sample[key] = sample[key][: chance.randrange(len(sample[key]) - 8)]
        else:
            sample[key] = chance.choice(([0.99, 0.01], [0.01, 0.99], [0.5], [], "0.5", [1e400, 0], [float("nan")] * 2))
        entry.value = json.dumps(found)

    return edited(change)


def _wrong_size(chance: random.Random) -> bytes:
    """The manifest and the graph state different images."""
    height, width = chance.choice(((31, 32), (32, 1), (64, 64), (1, 1), (10_000, 10_000), (2**31, 2**31)))
    return edited(lambda made: change_manifest(made, lambda m: m["input"].update(height=height, width=width)))


def _giant_texts(chance: random.Random) -> bytes:
    size = chance.randrange(1, 4) * 1_000_000
    key = chance.choice((MANIFEST_KEY, GOLDEN_KEY, LABELS_KEY))
    return with_entry(edited(lambda made: made.metadata_props.remove(entry_of(made, key))), key, "[" * size)


# Weights


def _weights(change: Callable[[Any], None], chance: random.Random) -> bytes:
    """One of the tensors that are multiplied is changed."""

    def change_one(made: Any) -> None:
        change(chance.choice([tensor for tensor in made.graph.initializer if len(tensor.raw_data) > 200]))

    return edited(change_one, with_data=True)


def _other_weights(chance: random.Random) -> bytes:
    def change(tensor: Any) -> None:
        count = len(tensor.raw_data) // 4
        values = [chance.gauss(0, chance.choice((0.0, 1.0, 1e6))) for _ in range(count)]
        tensor.raw_data = struct.pack(f"<{count}f", *values)

    return _weights(change, chance)


def _not_finite(chance: random.Random) -> bytes:
    """Every answer is NaN, or would be."""
    number = chance.choice((float("nan"), float("inf"), float("-inf")))

    def change(tensor: Any) -> None:
        tensor.raw_data = struct.pack("<f", number) * (len(tensor.raw_data) // 4)

    return _weights(change, chance)


def _other_shape(chance: random.Random) -> bytes:
    """A tensor with more, fewer or other sides than its data."""
    side = chance.choice((0, 1, 7, 100_000, 2**31, 2**40))

    def change(tensor: Any) -> None:
        tensor.dims[chance.randrange(len(tensor.dims))] = side

    return _weights(change, chance)


def _data_elsewhere(chance: random.Random) -> bytes:
    """Weights in another file: a hard link to a secret one, a file above, a device, an address."""
    location = chance.choice((HARD_LINK, HARD_LINK, "../" * chance.randrange(1, 9) + "canary.txt", "/etc/hostname"))

    def change(tensor: Any) -> None:
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        tensor.external_data.append(field(1, "location") + field(2, location))

    return _weights(change, chance)


# The graph


def _other_input(chance: random.Random) -> bytes:
    kind, dims = chance.choice(
        (
            (FLOAT, ["batch", 32, 32, 3]), (UINT8, ["batch", 3, 32, 32]), (UINT8, ["batch", 64, 64, 3]), (UINT8, [1]),
            (INT64, ["batch"]), (UINT8, ["batch", 32, 32, 4]), (STRING, ["batch", 32, 32, 3]),
        )
    )  # fmt: skip

    def change(made: Any) -> None:
        made.graph.input[0].ParseFromString(value("image", kind, dims))

    return edited(change)


def _other_output(chance: random.Random) -> bytes:
    """No output has the name of the probabilities. (A wrong width alone is harmless: onnxruntime infers the right one.)"""

    def change(made: Any) -> None:
        name = chance.choice(("nowhere", "linear", "mean", ""))
        made.graph.output[0].ParseFromString(value(name, FLOAT, ["batch", 2]))

    return edited(change)


def _other_operator(chance: random.Random) -> bytes:
    def change(made: Any) -> None:
        changed = chance.choice(made.graph.node)
        changed.op_type, changed.domain = chance.choice(
            (("Wonder", ""), ("Relu", "custom"), ("Wonder", "com.microsoft"), ("PyOp", "ai.onnx.contrib"), ("If", ""))
        )

    return edited(change)


def _other_edges(chance: random.Random) -> bytes:
    """An input that does not exist, or that comes later."""

    def change(made: Any) -> None:
        changed = chance.choice(made.graph.node)
        changed.input[0] = chance.choice(("nowhere", changed.output[0], made.graph.node[-1].output[0]))

    return edited(change)


def _loop(chance: random.Random) -> bytes:
    """A few steps: it ends at once, and is refused for being a loop."""
    body = field(1, node("Identity", ["go"], ["goes"])) + field(1, node("Mul", ["a", "a"], ["b"])) + field(2, "body")
    body += b"".join(field(11, value(*each)) for each in (("i", INT64, []), ("go", 9, []), ("a", FLOAT, [])))
    body += b"".join(field(12, value(*each)) for each in (("goes", 9, []), ("b", FLOAT, [])))
    weights = [longs("steps", chance.randrange(1, 1000), dims=[]), floats("one", [], 1.0)]
    return with_pixels([node("Loop", ["steps", "", "one"], ["probabilities"], body=(6, body, 5))], weights)


def _many_nodes(chance: random.Random) -> bytes:
    count = chance.randrange(20_100, 40_000)
    nodes = [node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in range(count)]
    return model([node("Cast", ["image"], ["t0"], to=FLOAT), *nodes], outputs=[field(1, f"t{count}")])


def _long(chance: random.Random) -> bytes:
    """Arithmetic that ends by itself, later than a model of this size may take."""
    return slow(times=_TOO_LONG + chance.randrange(9))


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _data_elsewhere, _not_finite, _other_labels, _other_shape, _bytes_changed, _damaged_entry, _cut, _loop, _many_nodes,
    _other_input, _other_golden_samples, _other_operator, _other_weights, _odd_manifest, _no_entry, _other_output,
    _other_edges, _wrong_size, _giant_texts, _zeros_behind, _spliced, _no_model,
)  # fmt: skip
