"""The options of ``edgecnn predict`` by argparse alone. What is not plain is left to Typer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

from edgecnn.cli.prediction_lines import LineFormat

__all__ = ["NotPlainError", "parse_predict"]


class NotPlainError(Exception):
    """Left to Typer."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NotPlainError(message)


def parse_predict(arguments: Sequence[str]) -> dict[str, Any]:
    """The fields of :class:`edgecnn.cli.prediction.PredictOptions`. Raises :class:`NotPlainError`."""
    found = vars(_parser().parse_args(arguments))
    if found.pop("json"):
        found["line_format"] = "jsonl"
    return found | {name: tuple(found[name] or ()) for name in ("sources", "allow", "deny", "ep_option")}


def _parser() -> argparse.ArgumentParser:
    # Else it asks for the terminal's width, by way of four packers of archives
    wide = partial(argparse.HelpFormatter, width=80)
    parser = _Parser(add_help=False, allow_abbrev=False, formatter_class=wide)
    parser.add_argument("model", type=Path)
    parser.add_argument("sources", nargs="+")
    for name, default in (("topk", 5), ("threads", None), ("batch", 1), ("every", 1), ("max-frames", None)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--ep", default="auto")
    parser.add_argument("--format", dest="line_format", choices=get_args(LineFormat), default="text")
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
