"""The labels of another exporter's classifier: from a file, or from the model's own metadata."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onnx import ModelProto

from edgecnn.errors import InputNotFoundError, ModelError, UsageError
from edgecnn.plain_json import encodable

__all__ = ["read_labels"]


def read_labels(
    file: Path | None, proto: ModelProto, own: tuple[str, ...], path: Path, questions: list[str]
) -> tuple[str, ...]:
    """The labels in the order of the scores.

    A file has a label per line or is JSON: a list; an object of numbers and labels, or of labels and numbers
    (``{"cat": 0}``); or Keras's ``{"0": ["n01440764", "tench"]}``.

    Args:
        file: ``--labels``; None: the model's own, of a ZipMap or of the metadata ``names`` (as Ultralytics writes it).
        proto: the model.
        own: labels that a ZipMap of the model had.
        path: of the model.
        questions: what is missing, each with the option that says it.

    Raises:
        InputNotFoundError, ModelError: the file with them cannot be read.
        UsageError: fewer than two labels, or one that occurs twice.
    """
    if file is None:
        names = next((p.value for p in proto.metadata_props if p.key == "names"), None)
        if names is None and not own:
            questions.append("the labels (--labels FILE, one label per line)")
            return ()
        found = own or _labels_of(ast.literal_eval, names or "", f"{path}: the metadata key 'names'")
        return _checked(found, str(path))
    text = _read(file)
    where = f"--labels {file}"
    if text.lstrip().startswith(("[", "{")):
        return _checked(_labels_of(json.loads, text, where), where)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return _checked(tuple(label for _, label in lines), where, [number for number, _ in lines])


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # Windows' editors begin a file with a byte-order mark
    except FileNotFoundError as error:
        raise InputNotFoundError(f"--labels {file}: no such file; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"--labels {file}: cannot be read as text; give one label per line in UTF-8") from error


def _labels_of(parse: Callable[[str], Any], text: str, where: str) -> tuple[str, ...]:
    try:
        found = parse(text)
        if isinstance(found, dict):
            found = _of_object(found)
    except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError) as error:  # nested too deep
        raise ModelError(
            f"{where}: is neither a list of labels nor an object of numbers and labels; give one label per line"
        ) from error
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise ModelError(f"{where}: expected a list of labels; give one label per line")
    if not all(map(encodable, found)):  # JSON and Python may hold half a surrogate pair as an escape
        raise ModelError(f"{where}: a label holds half a surrogate pair, which UTF-8 cannot; correct it")
    return tuple(label.strip() for label in found)


def _of_object(found: dict[Any, Any]) -> list[Any]:
    """Reads indices by label, or labels by index. Raises ValueError where the numbers are not 0 to N - 1."""
    values = list(found.values())
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        by_number = {value: str(key) for key, value in found.items()}
    else:
        by_number = {int(key): value for key, value in found.items()}
    if sorted(by_number) != list(range(len(found))):
        raise ValueError("numbers")
    labels = [by_number[number] for number in range(len(found))]
    # Keras's own index of ImageNet has pairs of WordNet id and label
    return [label[-1] if isinstance(label, list | tuple) and len(label) == 2 else label for label in labels]


def _checked(labels: tuple[str, ...], where: str, lines: list[int] | None = None) -> tuple[str, ...]:
    if len(labels) < 2:
        raise UsageError(f"{where}: {len(labels)} labels; expected at least two")
    places: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        places[label].append(index if lines is None else lines[index])
    twice = [
        f"'{label}' ({'lines' if lines else 'numbers'} {', '.join(map(str, found))})"
        for label, found in places.items()
        if len(found) > 1
    ]
    if twice:
        more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
        raise UsageError(
            f"{where}: {', '.join(twice[:3])}{more} occur more than once, and an answer could not tell them apart; "
            "give each class a name of its own, as in 'crane (bird)'"
        )
    return labels
