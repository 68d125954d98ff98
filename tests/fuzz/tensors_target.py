"""The body of a request to infer: JSON, with tensors behind it where the first line says how long the JSON is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from fuzz.promises import Look, Outcome, require, require_line

from edgecnn.errors import UsageError
from edgecnn.serving.http.protocols.tensors import InferRequest, Tensor, encode_answer, read_request

LONGEST = 2048
SIDE = 2  # pixels: a whole image is 12 numbers
KNOWN = {"probabilities": 3, "unknown_score": None, "embedding": 4}
_KEYS = (
    "inputs", "outputs", "name", "image", "shape", "datatype", "UINT8", "data", "parameters", "binary_data_size",
    "binary_data_output", "binary_data", "classification", "probabilities", "unknown_score", "embedding", "id",
    "sequence_id", "shared_memory_region",
)  # fmt: skip
WORDS = (
    *(f'"{key}"'.encode() for key in _KEYS), b'"shape": [1, 2, 2, 3]', b"[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]", b"12\n",
    b"null", b"true", b"NaN", b"1e999", b"18446744073709551615", b"-1", b"256", b"\\ud800", b"[[[[[[[[", b"]]]]]]]]",
    b'["', b'"]', b", ",
)  # fmt: skip


@contextmanager
def opened() -> Iterator[Look]:
    yield _look


def _look(data: bytes) -> Outcome:
    length, _, body = data.partition(b"\n")
    try:
        asked = read_request(body, length.decode("latin-1") or None, SIDE, SIDE, KNOWN)
    except UsageError as error:
        require_line(str(error))
        return "refused"
    images = asked.images
    require(images.dtype == np.uint8 and images.shape[1:] == (SIDE, SIDE, 3) and 1 <= len(images) <= 64, "no images")
    require(bool(asked.outputs) and {output.name for output in asked.outputs} <= KNOWN.keys(), "other outputs")
    _answer(asked)
    return "accepted"


def _answer(asked: InferRequest) -> None:
    """Encodes what a model would answer."""
    rows = len(asked.images)
    tensors = [Tensor(o.name, np.zeros((rows, KNOWN[o.name] or 1), np.float32), o.binary) for o in asked.outputs]
    content, length = encode_answer({"id": asked.request_id}, tensors)
    found = json.loads(content[:length])
    require(found["id"] == asked.request_id, "another id")
    sizes = [output.get("parameters", {}).get("binary_data_size", 0) for output in found["outputs"]]
    require(len(content) == (length or len(content)) + sum(sizes), "an answer of another size than it states")
