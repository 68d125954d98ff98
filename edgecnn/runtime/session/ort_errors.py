"""Converts error messages of onnxruntime to one readable line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import onnxruntime

__all__ = ["ort_reason", "shares_constants", "silenced"]

_CODE = re.compile(r"^\[ONNXRuntimeError\] : (?:\d+ : \w+ : )?")
# File, line and C++ signature; a signature has no ") " inside
_PLACE = re.compile(r"^\S*[/\\]\S+:\d+ .*?\)(?: const)? ")
_OPENVINO_PLACE = re.compile(r"\bException from \S+:\d+:$")  # what it says follows on another line

_SHARED_CONSTANT = "Attempt to replace the existing tensor"
_WHY_SHARED = (
    "its nodes share constants, which onnxruntime cannot run exactly on an x86 processor without VNNI; "
    "export or quantize it again and leave out onnxslim or onnxsim, which merge equal constants"
)

_WARNING, _FATAL = 2, 4  # onnxruntime's severities; it begins with the first


def ort_reason(error: Exception) -> str:
    """Returns the first informative line of an error, without error codes and C++ source locations.

    For shared constants, returns cause and remedy instead.
    """
    if shares_constants(error):
        return _WHY_SHARED
    for line in str(error).strip().splitlines():
        said = _bare(line.strip())
        if said and not _OPENVINO_PLACE.search(said):
            return said
    return type(error).__name__


def shares_constants(error: Exception) -> bool:
    """Whether onnxruntime refused a file because nodes share a constant, which exact int8 must replace.

    See :mod:`edgecnn.runtime.session.ort_options`.
    """
    return _SHARED_CONSTANT in str(error)


def _bare(line: str) -> str:
    while True:
        shorter = _PLACE.sub("", _CODE.sub("", line)).strip()
        if shorter == line:
            return line
        line = shorter


@contextmanager
def silenced(*, when: bool) -> Iterator[None]:
    """Silences onnxruntime's process-wide logger while EdgeCNN reports the error itself."""
    if when:
        onnxruntime.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        if when:
            onnxruntime.set_default_logger_severity(_WARNING)
