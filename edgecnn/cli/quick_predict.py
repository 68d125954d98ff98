"""``edgecnn predict`` without Typer, whose imports take a third as long again as OpenCV's and onnxruntime's together (docs/benchmarks.md).

A device may start it for every picture. What is not plain here (a wrong option, ``--help``) is left to Typer, so that its answers are the same;
tests/cli/test_quick_predict.py holds that both read the same options alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from edgecnn.cli.prediction import PredictOptions
from edgecnn.cli.prediction_lines import LineFormat

__all__ = ["read_predict"]


class _NotPlainError(Exception):
    """Left to Typer."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _NotPlainError(message)


def read_predict(arguments: Sequence[str]) -> PredictOptions | None:
    """The options of ``predict`` (the words after it); None where Typer must read them."""
    try:
        found = vars(_parser().parse_args(arguments))
    except _NotPlainError:
        return None
    as_json, line_format = found.pop("json"), found.pop("format")
    lists: dict[str, Any] = {name: tuple(found.pop(name) or ()) for name in ("sources", "allow", "deny", "ep_option")}
    return PredictOptions(**(found | lists), line_format="jsonl" if as_json else line_format)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("model", type=Path)
    parser.add_argument("sources", nargs="+")
    for name, default in (("topk", 5), ("threads", None), ("batch", 1), ("every", 1), ("max-frames", None)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--ep", default="auto")
    parser.add_argument("--format", choices=get_args(LineFormat), default="text")
    parser.add_argument("--power", choices=("normal", "low"), default="normal")
    parser.add_argument("--health")
    for name in ("save", "smoothing"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("allow", "deny", "ep-option"):
        parser.add_argument(f"--{name}", action="append")
    for name in ("json", "show", "prove", "fail-fast", "strict-ep", "on-change"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--arena", action=argparse.BooleanOptionalAction, default=True)
    return parser
