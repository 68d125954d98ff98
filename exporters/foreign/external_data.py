"""Reads weights that an ONNX file keeps in a second file beside it, as torch writes them (``.onnx.data``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from onnx import ModelProto, TensorProto
from onnx.external_data_helper import ExternalDataInfo

from edgecnn.errors import InputNotFoundError, ModelError

__all__ = ["include_external_data"]

_MOST_BYTES = 2**31 - 1  # of one ONNX file, by protobuf


def include_external_data(model: ModelProto, path: Path) -> None:
    """Puts the weights that other files hold into the model, in place.

    A file named there must lie in the folder of ``path`` itself, as a regular file and no link out of it, and hold the
    bytes that are claimed.

    Raises:
        InputNotFoundError: the second file is not there.
        ModelError: it may not be read, is too short, or the whole is too large for one file.
    """
    outside = [t for t in _tensors(model) if t.data_location == TensorProto.EXTERNAL]
    total = model.ByteSize()
    for tensor in outside:
        info = ExternalDataInfo(tensor)
        data = _checked(path, info.location)
        offset = info.offset or 0
        size = data.stat().st_size
        length = size - offset if info.length is None else info.length
        if offset < 0 or length < 0 or offset + length > size:
            raise ModelError(f"{data}: {size} bytes, fewer than {path} expects; copy both files again")
        total += length
        if total > _MOST_BYTES:
            raise ModelError(f"{path}: {total / 1e9:.1f} GB with its second file, more than one ONNX file can have")
        with data.open("rb") as file:
            file.seek(offset)
            tensor.raw_data = file.read(length)
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _checked(path: Path, location: str) -> Path:
    name = PurePosixPath(location.replace("\\", "/"))
    if not location or name.is_absolute() or len(name.parts) != 1 or name.name in ("..", ".") or ":" in location:
        raise ModelError(
            f"{path}: keeps weights in {location!r}, which does not lie beside it; save it as one file "
            "(onnx.save_model with save_as_external_data=False)"
        )
    data = path.parent / name.name
    if not data.exists():
        raise InputNotFoundError(
            f"{data}: not there, and {path} keeps weights in it; put both files into one folder, or export with "
            "external_data=False"
        )
    if not data.is_file() or data.resolve().parent != path.resolve().parent:
        raise ModelError(f"{data}: no regular file beside {path}; put the file itself there")
    return data


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
