"""Requests and answers of the Open Inference Protocol as bytes: JSON, and the binary tensor extension.

With that extension a body is a JSON object and the bytes of the tensors behind it, in the order of the object; the
header ``Inference-Header-Content-Length`` says where the object ends.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.error_text import shortened
from edgecnn.errors import UsageError
from edgecnn.preprocess import Image

__all__ = ["HEADER", "InferRequest", "RequestedOutput", "Tensor", "encode_answer", "read_request"]

HEADER = "Inference-Header-Content-Length"

_MOST_JSON = 4_000_000  # bytes: parsed, JSON takes many times its size
_MOST_IMAGES = 64
_LONGEST_ID = 256
_DIMENSIONS = 4  # of a shape
_SHARED = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset")
_SEQUENCES = ("sequence_id", "sequence_start", "sequence_end")


@dataclass(frozen=True)
class RequestedOutput:
    """An output that a client asks for."""

    name: str
    binary: bool
    classes: int = 0  # the best so many classes, as text; 0: the tensor itself


@dataclass(frozen=True, eq=False)
class InferRequest:
    """A request to infer."""

    request_id: str | None
    images: Image  # uint8 [N, H, W, 3] RGB
    outputs: tuple[RequestedOutput, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """An output on its way to the client."""

    name: str
    values: NDArray[np.float32] | tuple[tuple[str, ...], ...]  # numbers, or rows of texts
    binary: bool


def read_request(
    body: bytes, header_length: str | None, height: int, width: int, known: Mapping[str, int | None]
) -> InferRequest:
    """Reads and checks a request.

    Args:
        body: of the HTTP request.
        header_length: the header that tells the size of the JSON object; None: all of the body is JSON.
        height: of an image, in pixels.
        width: of an image, in pixels.
        known: the model's outputs, with their values per image.

    Raises:
        UsageError: something in it is wrong; the message says what is expected.
    """
    text, tensors = _split(body, header_length)
    request = _parse(text)
    parameters = _parameters(request)
    if any(parameters.get(name) for name in _SEQUENCES):
        raise UsageError("sequences are not supported: each image is classified by itself")
    request_id = request.get("id")
    if request_id is not None and not (isinstance(request_id, str) and len(request_id) <= _LONGEST_ID):
        raise UsageError(f"id is a text of at most {_LONGEST_ID} characters")
    images = _read_images(request, tensors, height, width)
    binary = parameters.get("binary_data_output", False)
    if not isinstance(binary, bool):
        raise UsageError("parameters: binary_data_output is true or false")
    return InferRequest(request_id, images, _read_outputs(request, known, binary=binary))


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    end = len(body)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdecimal() or len(header_length) > 12:
            raise UsageError(f"{HEADER} is a number of bytes")
        end = int(header_length)
        if end > len(body):
            raise UsageError(f"{HEADER} is {end}, and the body has {len(body)} bytes")
    if end > _MOST_JSON:
        raise UsageError(f"the JSON is larger than {_MOST_JSON / 1e6:g} MB; send images as binary tensors")
    return body[:end], body[end:]


def _parse(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise UsageError("the body is no JSON object; see docs/api.md for an example") from None
    if not isinstance(found, dict):
        raise UsageError("the body is no JSON object; see docs/api.md for an example")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _parameters(value: Mapping[str, Any]) -> dict[str, Any]:
    found = value.get("parameters", {})
    if not isinstance(found, dict):
        raise UsageError("parameters is an object")
    if any(name in found for name in _SHARED):
        raise UsageError("shared memory is not supported; send the tensor in the body")
    return found


def _objects(request: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = request.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UsageError(f"{key} is a list of objects")
    return found


def _read_images(request: Mapping[str, Any], tensors: bytes, height: int, width: int) -> Image:
    expected = f"expected one input 'image', UINT8 [N, {height}, {width}, 3]: raw RGB pixels of that size"
    inputs = _objects(request, "inputs")
    if len(inputs) != 1 or inputs[0].get("name") != "image":
        raise UsageError(expected)
    given, shape = inputs[0], inputs[0].get("shape")
    if given.get("datatype") != "UINT8":
        raise UsageError(f"the datatype is not UINT8; {expected}")
    if not isinstance(shape, list) or len(shape) != _DIMENSIONS or not all(type(n) is int for n in shape):
        raise UsageError(f"the shape is no list of four numbers; {expected}")
    if shape[1:] != [height, width, 3]:
        raise UsageError(f"the shape is {shortened(str(shape))}; {expected}")
    if not 1 <= shape[0] <= _MOST_IMAGES:
        raise UsageError(f"{shortened(str(shape[0]))} images; a request takes 1 to {_MOST_IMAGES}")
    size = _parameters(given).get("binary_data_size")
    if size is None:
        if tensors:
            raise UsageError("there are bytes behind the JSON, and no input has binary_data_size")
        return _from_json(given.get("data"), tuple(shape))
    if "data" in given:
        raise UsageError("the input has both data and binary_data_size; give one of them")
    wanted = shape[0] * height * width * 3
    if type(size) is not int or size != wanted or len(tensors) != wanted:
        raise UsageError(f"the input has {len(tensors)} bytes of binary data, and its shape {shape} has {wanted}")
    return np.frombuffer(tensors, np.uint8).reshape(shape)


def _from_json(data: Any, shape: tuple[int, ...]) -> Image:
    expected = f"expected {int(np.prod(shape))} whole numbers from 0 to 255, flat or nested as {list(shape)}"
    if not _has_whole_numbers_alone(data):
        raise UsageError(f"the data of the input does not fit its shape or type; {expected}")
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError):  # rows of different lengths
        raise UsageError(f"the data of the input is no array; {expected}") from None
    if values.dtype.kind not in "iu" or (values.ndim != 1 and values.shape != shape) or values.size != np.prod(shape):
        raise UsageError(f"the data of the input does not fit its shape or type; {expected}")
    if values.min() < 0 or values.max() > 255:
        raise UsageError(f"the data of the input does not fit UINT8; {expected}")
    return values.reshape(shape).astype(np.uint8)


def _has_whole_numbers_alone(data: Any) -> bool:
    """Whether there is nothing else in lists, nested at most as deep as a shape.

    NumPy must not see texts: it would give each the room of the longest, gigabytes for some hundred kilobytes.
    """
    level = data
    for _ in range(_DIMENSIONS):
        if not isinstance(level, list):
            return False
        if all(type(value) is int for value in level):
            return True
        if not all(isinstance(value, list) for value in level):
            return False
        level = [value for row in level for value in row]
    return False


def _read_outputs(
    request: Mapping[str, Any], known: Mapping[str, int | None], *, binary: bool
) -> tuple[RequestedOutput, ...]:
    asked = _objects(request, "outputs")
    if not asked:
        return tuple(RequestedOutput(name, binary) for name in known)
    found = tuple(_read_output(output, known, binary=binary) for output in asked)
    if len({output.name for output in found}) < len(found):
        raise UsageError("an output is asked for twice")
    return found


def _read_output(output: Mapping[str, Any], known: Mapping[str, int | None], *, binary: bool) -> RequestedOutput:
    name, parameters = output.get("name"), _parameters(output)
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"the model has no such output; it has {', '.join(known)}")
    as_binary, classes = parameters.get("binary_data", binary), parameters.get("classification", 0)
    if not isinstance(as_binary, bool):
        raise UsageError("parameters: binary_data is true or false")
    if type(classes) is not int or classes < 0:
        raise UsageError("parameters: classification is a number of classes, at least 0")
    if classes and name != "probabilities":
        raise UsageError(f"classification is for the output 'probabilities', not for '{name}'")
    return RequestedOutput(name, as_binary, classes)


def encode_answer(head: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[bytes, int | None]:
    """Encodes an answer.

    Args:
        head: its values besides ``outputs``.
        tensors: the outputs.

    Returns:
        The body, and the size of the JSON object in it where binary tensors follow, else None.
    """
    outputs, parts = [], []
    for tensor in tensors:
        values = tensor.values
        texts = isinstance(values, tuple)
        shape = [len(values), len(values[0])] if isinstance(values, tuple) else list(values.shape)
        output: dict[str, Any] = {"name": tensor.name, "datatype": "BYTES" if texts else "FP32", "shape": shape}
        if tensor.binary:
            parts.append(_as_bytes(values))
            output["parameters"] = {"binary_data_size": len(parts[-1])}
        elif isinstance(values, tuple):
            output["data"] = [text for row in values for text in row]
        else:
            output["data"] = values.ravel().tolist()
        outputs.append(output)
    text = json.dumps({**head, "outputs": outputs}).encode()
    return b"".join((text, *parts)), len(text) if parts else None


def _as_bytes(values: NDArray[np.float32] | tuple[tuple[str, ...], ...]) -> bytes:
    """Numbers little-endian; each text with its length in front."""
    if not isinstance(values, tuple):
        return np.ascontiguousarray(values, "<f4").tobytes()
    encoded = [text.encode() for row in values for text in row]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
