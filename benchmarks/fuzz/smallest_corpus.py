"""Chooses few small inputs that reach all that a fuzzer has reached, and puts each into the folder of its outcome.

    python benchmarks/fuzz/smallest_corpus.py header /tmp/found/new

The committed inputs stay; of the new ones those are added, the smallest first, that take a way from line to line of
EdgeCNN's code that no input before takes. Needs no atheris.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from fuzz.promises import Look, Outcome
from fuzz.targets import CORPUS, TARGETS, target_of

OURS = str(Path(__file__).resolve().parents[2] / "edgecnn")
Way = tuple[str, int, int]  # file, line, the line after it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("found", type=Path)
    parser.add_argument("--longest", type=int, default=1500, help="bytes of an input that is added")
    o = parser.parse_args()
    folder, known, added = CORPUS / o.target, set[Way](), 0
    with target_of(o.target).opened() as look:
        for path in sorted(folder.glob("*/*")):
            known |= ways(look, path.read_bytes())[1]
        for data in sorted({path.read_bytes() for path in o.found.iterdir()}, key=lambda data: (len(data), data)):
            if len(data) > o.longest:
                break
            outcome, taken = ways(look, data)
            if not taken <= known:
                known |= taken
                added += 1
                (folder / outcome).mkdir(parents=True, exist_ok=True)
                (folder / outcome / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    files = list(folder.glob("*/*"))
    print(f"{o.target}: {added} added; {len(files)} inputs of {sum(path.stat().st_size for path in files):,} bytes")


def ways(look: Look, data: bytes) -> tuple[Outcome, set[Way]]:
    """The outcome of an input, and the ways that it takes through EdgeCNN's code, in threads that it starts too."""
    taken: set[Way] = set()

    def enter(frame: FrameType, _event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        before = frame.f_lineno

        def step(inner: FrameType, event: str, _: Any) -> Any:
            nonlocal before
            if event == "line":
                taken.add((inner.f_code.co_filename, before, inner.f_lineno))
                before = inner.f_lineno
            return step

        return step

    threading.settrace(enter)
    sys.settrace(enter)
    try:
        outcome = look(data)  # not `kept`: followed line by line, it takes many times as long
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]  # its stub knows no None
    return outcome, taken


if __name__ == "__main__":
    main()
