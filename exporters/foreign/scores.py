"""What the scores of another exporter's classifier mean: by the operators that made them, and by their values.

A score whose meaning is guessed wrong is a wrong answer that no comparison shows, since both sides apply the same
function. So where operators and values do not settle it, the user is asked (``--scores``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto

from edgecnn.errors import ModelError, UsageError
from exporters.graph.passes import attribute, constant, producers
from exporters.options import ScoreKind

__all__ = ["Scores", "kind_of_scores", "to_probabilities"]

Scores = Literal["logits", "probabilities", "shares", "logit", "probability"]
"""What a network gives.

One column per class: ``logits``; ``probabilities`` that sum to 1; ``shares``, probabilities of their own. One column,
of the second class: ``logit``, ``probability``.
"""

_KEEPS = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout", "Clip", "CastLike")
_SELECTS = ("Gather", "GatherElements", "GatherND", "Slice", "Split", "Compress")
_JOINS = ("Concat", "Sum", "Max", "Min")
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_BOUNDED = ("Sigmoid", "HardSigmoid")
_DECIDES = (
    "ArgMax",
    "ArgMin",
    "TopK",
    "Hardmax",
    "OneHot",
    "NonZero",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "And",
    "Or",
    "Not",
    "Xor",
    "Round",
    "Sign",
    "Floor",
    "Ceil",
)
_LINEAR = (
    "Gemm",
    "MatMul",
    "Conv",
    "Einsum",
    "BatchNormalization",
    "GlobalAveragePool",
    "AveragePool",
    "ReduceMean",
    "ReduceSum",
    "LayerNormalization",
    "Relu",
    "LeakyRelu",
    "LogSoftmax",
)
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_SUM_TOLERANCE = 1e-3
_SUM_TOLERANCE_HALF = 1e-2  # a thousand classes in sixteen bits


@dataclass(frozen=True)
class _Source:
    """An operator that scores come from, and what was done to its values on the way."""

    operator: str
    scale: float = 1.0  # of `value * scale + offset`; NaN where each class has its own
    offset: float = 0.0

    @property
    def is_probability(self) -> bool:
        """Whether values from 0 to 1 are still values from 0 to 1, or the other class's."""
        return sorted((round(self.offset, 6), round(self.scale + self.offset, 6))) == [0.0, 1.0]


def kind_of_scores(
    path: Path, graph: GraphProto, output: str, found: NDArray[Any], classes: int, asked: ScoreKind | None
) -> Scores:
    """What the values of an output mean.

    Args:
        path: named in errors.
        graph: with constants folded.
        output: the tensor with the scores.
        found: what the network gave for several different images, ``[N, C]``, in its own type.
        classes: number of labels.
        asked: what the user says of them.

    Raises:
        ModelError: the output holds no scores.
        UsageError: the number of labels is another, ``asked`` contradicts the file, or only the user can know.
    """
    _check_numbers(path, output, found)
    columns = found.shape[1]
    if columns != classes and not (columns == 1 and classes == 2):
        raise UsageError(
            f"{path}: the number of scores ({columns}) differs from the number of labels ({classes}); correct --labels"
        )
    sources = list(_sources(graph, output))
    _check_sources(path, output, sources)
    values = _Values(found)
    if asked is not None:
        return _as_asked(path, sources, values, asked)
    return _one_column(path, sources, values) if columns == 1 else _several_columns(path, sources, values)


def to_probabilities(scores: NDArray[Any], kind: Scores) -> NDArray[np.float64]:
    """The probabilities that scores mean: ``[N, C]``, rows sum to 1."""
    exact = scores.astype(np.float64)
    if kind == "probabilities":
        return exact
    if kind == "shares":
        return np.asarray(exact / np.maximum(exact.sum(1, keepdims=True), 1e-12))
    if kind in ("logit", "probability"):
        second = 1 / (1 + np.exp(-exact)) if kind == "logit" else exact
        return np.concatenate([1 - second, second], 1)
    powers = np.exp(exact - exact.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


class _Values:
    """What is to be seen in scores ``[N, C]``."""

    def __init__(self, found: NDArray[Any]) -> None:
        tolerance = _SUM_TOLERANCE_HALF if found.dtype == np.float16 else _SUM_TOLERANCE
        exact = found.astype(np.float64)
        self.columns = found.shape[1]
        self.lowest, self.highest = float(exact.min()), float(exact.max())
        self.sums = exact.sum(1)
        self.in_unit = self.lowest >= -1e-6 and self.highest <= 1 + tolerance
        self.sum_to_1 = self.in_unit and bool(np.abs(self.sums - 1).max() < tolerance)
        self.decided = bool(np.isin(exact, (0.0, 1.0)).all())
        varies = bool(np.ptp(exact, axis=0).max() > 0)  # a network that answers all images alike says nothing
        self.same_sum = (
            varies and self.lowest >= 0 and self.columns > 1 and bool(np.ptp(self.sums) < 1e-3 * self.sums.max())
        )

    def __str__(self) -> str:
        return f"values from {self.lowest:.4g} to {self.highest:.4g}"


def _check_numbers(path: Path, output: str, found: NDArray[Any]) -> None:
    if found.dtype.kind != "f":
        raise ModelError(
            f"{path}: the output {output} holds {found.dtype} values, which are no scores of classes; name the output "
            "with the scores by --output, or export without the step that picks a class"
        )
    if not np.isfinite(found).all():
        raise ModelError(f"{path}: the output {output} holds values that are no numbers (NaN or infinite)")


def _check_sources(path: Path, output: str, sources: list[_Source]) -> None:
    for source in sources:
        if source.operator in _DECIDES or source.operator == "Cast":
            raise ModelError(
                f"{path}: the output {output} comes from {source.operator}, which does not give a score per class; "
                "name a tensor with the scores by --output"
            )


def _sources(graph: GraphProto, name: str) -> Iterator[_Source]:
    """The operators whose values an output has, but for shape, selection and arithmetic with constants."""
    made = producers(graph)
    waiting, seen = [(name, 1.0, 0.0)], set[str]()
    while waiting:
        tensor, scale, offset = waiting.pop()
        node = made.get(tensor)
        if tensor in seen or node is None:
            continue
        seen.add(tensor)
        behind = _behind(graph, node)
        if behind is None:
            yield _Source(node.op_type, scale, offset)
        else:
            # `scale * (a x + b) + offset`
            waiting += [(other, scale * a, scale * b + offset) for other, a, b in behind]


def _behind(graph: GraphProto, node: NodeProto) -> list[tuple[str, float, float]] | None:
    """Tensors of which a node keeps the values, each with scale and offset; None where it makes new ones."""
    if node.op_type in (*_KEEPS, *_SELECTS):
        return [(node.input[0], 1.0, 0.0)]
    if node.op_type == "Cast":
        return [(node.input[0], 1.0, 0.0)] if attribute(node, "to", 0) in _REAL else None
    if node.op_type == "Neg":
        return [(node.input[0], -1.0, 0.0)]
    if node.op_type in _JOINS:
        return [(name, 1.0, 0.0) for name in node.input if constant(graph, name) is None]
    if node.op_type in _ARITHMETIC:
        return _arithmetic(graph, node)
    return None


def _arithmetic(graph: GraphProto, node: NodeProto) -> list[tuple[str, float, float]] | None:
    values = [constant(graph, name) for name in node.input]
    if all(value is None for value in values):
        return [(name, 1.0, 0.0) for name in node.input] if node.op_type in ("Add", "Sub") else None
    place = 0 if values[0] is None else 1
    value = values[1 - place]
    assert value is not None
    c = float(value.ravel()[0]) if value.size == 1 else float("nan")
    if node.op_type == "Div" and place == 1:  # a constant divided by scores
        return None
    sign = -1.0 if node.op_type == "Sub" and place == 1 else 1.0
    scale, offset = {
        "Add": (1.0, c),
        "Sub": (sign, -c if place == 0 else c),
        "Mul": (c, 0.0),
        "Div": (1 / c if c else float("nan"), 0.0),
    }[node.op_type]
    return [(node.input[place], scale, offset)]


def _comes_from(sources: list[_Source], *operators: str) -> bool:
    return bool(sources) and all(source.operator in operators for source in sources)


def _as_asked(path: Path, sources: list[_Source], values: _Values, asked: ScoreKind) -> Scores:
    if asked == "logits":
        if _comes_from(sources, "Softmax", *_BOUNDED):
            raise UsageError(
                f"--scores logits: {path} ends in {sources[0].operator}, so its scores ({values}) are no logits; "
                "use --scores probabilities, or name the tensor before it by --output"
            )
        return "logit" if values.columns == 1 else "logits"
    if not values.in_unit:
        raise UsageError(f"--scores {asked}: {path} gives {values}, and probabilities lie between 0 and 1")
    if values.columns == 1:
        return "probability"
    if asked == "sigmoid":
        return "shares"
    if not values.sum_to_1:
        raise UsageError(
            f"--scores probabilities: {path} gives rows that sum to {values.sums.min():.4g} to {values.sums.max():.4g} "
            "instead of 1; use --scores sigmoid if each class has a probability of its own"
        )
    return "probabilities"


def _one_column(path: Path, sources: list[_Source], values: _Values) -> Scores:
    if _comes_from(sources, "Softmax", *_BOUNDED):
        if all(source.is_probability for source in sources) and values.in_unit:
            return "probability"
        raise _scaled(path, sources, values)
    if _comes_from(sources, "LogSoftmax", "Log"):
        raise ModelError(
            f"{path}: gives the logarithm of one probability; name the tensor before the logarithm by --output"
        )
    if values.in_unit or not _comes_from(sources, *_LINEAR):
        raise _unknown(path, sources, values)
    return "logit"


def _several_columns(path: Path, sources: list[_Source], values: _Values) -> Scores:
    if values.sum_to_1 and (not values.decided or _comes_from(sources, "Softmax")):
        return "probabilities"
    if _comes_from(sources, *_BOUNDED) and values.in_unit:
        raise ModelError(
            f"{path}: gives each class a probability of its own (Sigmoid), and a classifier gives one answer per "
            "image; --scores sigmoid takes each class's share of their sum"
        )
    if _comes_from(sources, "Softmax") and values.in_unit:
        raise ModelError(
            f"{path}: gives {values.columns} columns of a Softmax that sum to {values.sums.min():.4g} to "
            f"{values.sums.max():.4g} instead of 1, so it leaves classes out or sums over something else; name the "
            "Softmax's own output by --output and give a label for each of its columns"
        )
    if _comes_from(sources, "Softmax", *_BOUNDED) or values.same_sum:
        raise _scaled(path, sources, values)
    if not _comes_from(sources, *_LINEAR):
        raise _unknown(path, sources, values)
    return "logits"


def _scaled(path: Path, sources: list[_Source], values: _Values) -> ModelError:
    operator = sources[0].operator if sources else "?"
    return ModelError(
        f"{path}: gives probabilities ({operator}) multiplied or shifted by a constant: {values}; name the tensor "
        "before that step by --output"
    )


def _unknown(path: Path, sources: list[_Source], values: _Values) -> UsageError:
    operators = ", ".join(dict.fromkeys(source.operator for source in sources)) or "no operator"
    return UsageError(
        f"{path}: does not say what its scores are ({values}, from {operators}); say it by --scores logits, "
        "probabilities or sigmoid"
    )
