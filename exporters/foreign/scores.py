"""What the scores of another exporter's classifier mean: by the operators that made them, and by their values.

A score whose meaning is guessed wrong is a wrong answer that no comparison shows, since both sides apply the same
function. So where operators and values do not settle it, the user is asked (``--scores``).
"""

from __future__ import annotations

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

_KEEPS = (
    *("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Pad", "Dropout"),
    *("Clip", "CastLike", "Relu", "LeakyRelu"),  # a probability passes unchanged
    *("GlobalAveragePool", "AveragePool", "GlobalMaxPool", "MaxPool", "ReduceMean", "ReduceMax"),
)
_SELECTS = ("Gather", "GatherElements", "GatherND", "Slice", "Split", "Compress")
_JOINS = ("Concat", "Sum", "Mean", "Max", "Min")
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_BOUNDED = ("Sigmoid", "HardSigmoid")
_LOGARITHMS = ("LogSoftmax", "Log")
_DECIDES = (
    *("ArgMax", "ArgMin", "TopK", "Hardmax", "OneHot", "NonZero"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor"),
    *("Round", "Sign", "Floor", "Ceil"),
    *("Cast", "Where"),  # a Cast to integers, a Where between constants; others are looked through
)
_LINEAR = (
    *("Gemm", "MatMul", "Conv", "Einsum", "ReduceSum"),
    *("BatchNormalization", "LayerNormalization"),
)
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_SUM_TOLERANCE = 1e-3
_SUM_TOLERANCE_HALF = 1e-2  # a thousand classes in sixteen bits
_LEAST_VARIATION = 1e-3  # between images, of one class's score
_MOST_PATHS = 10_000  # from the scores back to operators; more are no classifier's


@dataclass(frozen=True)
class _Source:
    """An operator that scores come from, and what was done to its values on the way."""

    operator: str
    scale: float = 1.0  # of `value * scale + offset`; NaN where each class has its own
    offset: float = 0.0
    selected: bool = False  # whether a part of the operator's values was picked

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
    sources = _find_sources(path, graph, output)
    _check_sources(path, output, sources)
    columns = found.shape[1]
    if columns != classes and not (columns == 1 and classes == 2):
        raise UsageError(
            f"{path}: the number of scores ({columns}) differs from the number of labels ({classes}); correct --labels"
        )
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
    """Properties of scores ``[N, C]``, from which their meaning is inferred."""

    def __init__(self, found: NDArray[Any]) -> None:
        tolerance = _SUM_TOLERANCE_HALF if found.dtype == np.float16 else _SUM_TOLERANCE
        exact = found.astype(np.float64)
        self.columns = found.shape[1]
        self.lowest, self.highest = float(exact.min()), float(exact.max())
        self.sums = exact.sum(1)
        self.in_unit = self.lowest >= -1e-6 and self.highest <= 1 + tolerance
        self.sum_to_1 = self.in_unit and bool(np.abs(self.sums - 1).max() < tolerance)
        self.decided = bool(np.isin(exact, (0.0, 1.0)).all())
        self.all_ones = bool((exact == 1).all())
        # a network that answers all images alike says nothing of what its scores are
        self.varies = bool(np.ptp(exact, axis=0).max() > _LEAST_VARIATION)
        self.same_sum = (
            self.varies and self.lowest >= 0 and self.columns > 1 and bool(np.ptp(self.sums) < 1e-3 * self.sums.max())
        )
        negative = self.highest <= tolerance
        self.log_sum_to_1 = negative and bool(np.abs(np.exp(exact).sum(1) - 1).max() < tolerance)

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
        if source.operator in _DECIDES:
            raise ModelError(
                f"{path}: the output {output} comes from {source.operator}, which does not give a score per class; "
                "name a tensor with the scores by --output"
            )


def _find_sources(path: Path, graph: GraphProto, name: str) -> list[_Source]:
    """The operators whose values an output has, but for shape, selection and arithmetic with constants."""
    made = producers(graph)
    found: dict[_Source, None] = {}
    waiting, seen = [_Step(name)], set[_Step]()
    while waiting:
        step = waiting.pop()
        node = made.get(step.tensor)
        if step in seen or node is None:
            continue
        seen.add(step)
        if len(seen) > _MOST_PATHS:
            raise ModelError(f"{path}: too many paths lead to the output {name}; name an earlier tensor by --output")
        behind = _behind(graph, node)
        if behind is None:
            found[_Source(node.op_type, step.scale, step.offset, step.selected)] = None
        else:
            selected = step.selected or node.op_type in _SELECTS
            # `scale * (a x + b) + offset`
            waiting += [_Step(other, step.scale * a, step.scale * b + step.offset, selected) for other, a, b in behind]
    return list(found)


@dataclass(frozen=True)
class _Step:
    """A tensor on the way back from the scores, which are ``scale * tensor + offset``."""

    tensor: str
    scale: float = 1.0
    offset: float = 0.0
    selected: bool = False


def _behind(graph: GraphProto, node: NodeProto) -> list[tuple[str, float, float]] | None:
    """The tensors whose values a node passes on, each with scale and offset; None if it makes new values."""
    if node.op_type in (*_KEEPS, *_SELECTS):
        return [(node.input[0], 1.0, 0.0)]
    if node.op_type == "Cast":
        return [(node.input[0], 1.0, 0.0)] if attribute(node, "to", 0) in _REAL else None
    if node.op_type == "Neg":
        return [(node.input[0], -1.0, 0.0)]
    if node.op_type in (*_JOINS, "Where"):
        names = node.input[1:] if node.op_type == "Where" else node.input
        return [(name, 1.0, 0.0) for name in names if constant(graph, name) is None] or None
    if node.op_type in _ARITHMETIC:
        return _arithmetic(graph, node)
    return None


def _arithmetic(graph: GraphProto, node: NodeProto) -> list[tuple[str, float, float]] | None:
    first, second = node.input
    left, right = constant(graph, first), constant(graph, second)
    if left is None and right is None:
        sign = {"Add": 1.0, "Sub": -1.0}.get(node.op_type)
        return None if sign is None else [(first, 1.0, 0.0), (second, sign, 0.0)]
    if left is None:
        assert right is not None
        c = _one_number(right)
        scale, offset = {
            "Add": (1.0, c),
            "Sub": (1.0, -c),
            "Mul": (c, 0.0),
            "Div": (1 / c if c else float("nan"), 0.0),
        }[node.op_type]
        return [(first, scale, offset)]
    if node.op_type == "Div":  # a constant divided by scores
        return None
    c = _one_number(left)
    scale, offset = {"Add": (1.0, c), "Sub": (-1.0, c), "Mul": (c, 0.0)}[node.op_type]
    return [(second, scale, offset)]


def _one_number(value: NDArray[Any]) -> float:
    """The number that all elements are; NaN if they differ."""
    return float(value.flat[0]) if value.size and (value == value.flat[0]).all() else float("nan")


def _comes_from(sources: list[_Source], *operators: str) -> bool:
    return bool(sources) and all(source.operator in operators for source in sources)


def _is_reversed(sources: list[_Source]) -> bool:
    """Whether the highest score is of the least probable class."""
    return bool(sources) and all(source.scale < 0 for source in sources)


def _as_asked(path: Path, sources: list[_Source], values: _Values, asked: ScoreKind) -> Scores:
    if asked == "logits":
        if _comes_from(sources, "Softmax", *_BOUNDED):
            raise UsageError(
                f"--scores logits: {path} ends in {sources[0].operator}, so its scores ({values}) are no logits; "
                "use --scores probabilities, or name the tensor before it by --output"
            )
        if _comes_from(sources, *_LOGARITHMS) and _is_reversed(sources):
            raise _scaled(path, sources, values)
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
    if _comes_from(sources, "Softmax") and values.all_ones:
        raise ModelError(
            f"{path}: gives 1 for every image, since its Softmax has one column only; name the tensor before the "
            "Softmax by --output"
        )
    if _comes_from(sources, "Softmax", *_BOUNDED):
        if all(source.is_probability for source in sources) and values.in_unit:
            return "probability"
        raise _scaled(path, sources, values)
    if _comes_from(sources, *_LOGARITHMS):
        raise ModelError(
            f"{path}: gives the logarithm of one probability; name the tensor before the logarithm by --output"
        )
    # one of several logits says nothing without the others
    picked = any(source.selected for source in sources)
    if values.in_unit or picked or not _comes_from(sources, *_LINEAR):
        raise _unknown(path, sources, values)
    return "logit"


def _several_columns(path: Path, sources: list[_Source], values: _Values) -> Scores:
    if _are_probabilities(sources, values):
        return "probabilities"
    if _comes_from(sources, *_LOGARITHMS) and values.log_sum_to_1:
        return "logits"  # softmax of logarithms of probabilities gives the probabilities
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
    if _comes_from(sources, "Softmax", *_BOUNDED, *_LOGARITHMS) or values.same_sum:
        raise _scaled(path, sources, values)
    if (values.in_unit and values.varies) or not _comes_from(sources, *_LINEAR):
        raise _unknown(path, sources, values)
    return "logits"


def _are_probabilities(sources: list[_Source], values: _Values) -> bool:
    if not values.sum_to_1 or _is_reversed(sources):
        return False
    if not values.decided:
        return True
    # zeros and ones alone can be a picked class, unless a Softmax gave them, or a Sigmoid in [1 - p, p]
    complement = any(source.scale < 0 for source in sources)
    return _comes_from(sources, "Softmax", *(_BOUNDED if complement else ()))


def _scaled(path: Path, sources: list[_Source], values: _Values) -> ModelError:
    operator = sources[0].operator if sources else "?"
    return ModelError(
        f"{path}: gives probabilities ({operator}) multiplied, shifted or combined: {values}; name the tensor before "
        "that step by --output"
    )


def _unknown(path: Path, sources: list[_Source], values: _Values) -> UsageError:
    operators = ", ".join(dict.fromkeys(source.operator for source in sources)) or "no operator"
    return UsageError(
        f"{path}: does not say what its scores are ({values}, from {operators}); say it by --scores logits, "
        "probabilities or sigmoid"
    )
