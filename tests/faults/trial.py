"""Tries files one by one in a child process, so that one that ends or stalls it is known by name.

As a program it is that child: ``python trial.py images`` reads paths, a line each, and prints a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
MOST_CPU_S = 20.0  # of one file; then the kernel ends the child
MOST_SAID = 500  # characters of a refusal
_REMEDY = re.compile(r"; |should be|required|expected|use |give ")  # of a setting, what it may be is the remedy


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    path: str
    what: str  # answered, refused, badly refused, traceback, crashed, hung
    said: str
    cpu_s: float
    memory_mb: float  # the most that the whole process held meanwhile

    @property
    def is_fault(self) -> bool:
        return self.what not in ("answered", "refused")


def tried(kind: str, paths: Sequence[Path]) -> list[Outcome]:
    """Each file of a kind in order. A child that ends is replaced, and goes on behind the file that ended it."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(paths):
        rest = paths[len(outcomes) :]
        outcomes += _tried_until_it_ends(kind, rest)
    return outcomes


def _tried_until_it_ends(kind: str, paths: Sequence[Path]) -> Iterator[Outcome]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    said_in_vain = subprocess.DEVNULL  # decoders write what they like
    command = [sys.executable, __file__, kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said_in_vain, text=True, env=env
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for number, path in enumerate(paths):
            line = ""
            if child.poll() is None or number == 0:
                line = _answer(child, path)
            if not line:
                status = child.wait()
                hung = status in (-signal.SIGPROF, -signal.SIGXCPU)
                yield Outcome(
                    str(path), "hung" if hung else "crashed", f"status {status}", MOST_CPU_S if hung else 0, 0
                )
                return
            yield Outcome(**json.loads(line))


def _answer(child: subprocess.Popen[str], path: Path) -> str:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(str(path)) + "\n")
        child.stdin.flush()
    except BrokenPipeError:
        return ""
    return child.stdout.readline()


def _child(kind: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a bomb ends this process, not the machine
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what C libraries print is no answer
    act = {"images": _images, "settings": _settings, "programs": _programs}[kind]()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        path = Path(json.loads(line))
        print(json.dumps(asdict(_outcome(path, act))), file=answers)


def _outcome(path: Path, act: Callable[[Path], str]) -> Outcome:
    from edgecnn.error_text import printable
    from edgecnn.errors import EdgeCNNError

    _forget_peak()
    begun_s = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
    try:
        what, said = "answered", act(path)
    except EdgeCNNError as error:
        said = printable(str(error))  # as the command line shows it
        fit = path.name in said and "\n" not in said and len(said) < MOST_SAID + len(str(path)) and _REMEDY.search(said)
        what = "refused" if fit else "badly refused"
    except Exception as error:  # noqa: BLE001  # what a user would see a traceback of
        what, said = "traceback", repr(error)[:MOST_SAID]
    signal.setitimer(signal.ITIMER_PROF, 0)
    return Outcome(str(path), what, said, time.process_time() - begun_s, _peak_mb())


def _forget_peak() -> None:
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def _images() -> Callable[[Path], str]:
    """What `predict` and `doctor` do with an image."""
    from edgecnn import Classifier
    from edgecnn.data.dataset import ImageFile
    from edgecnn.data_quality.image_stats import read_image_stats

    classifier = Classifier(TESTS / "models" / "tiny.onnx", ep="cpu")

    def look(path: Path) -> str:
        read_image_stats(ImageFile(path, "class", None))
        return classifier(path).status

    return look


def _programs() -> Callable[[Path], str]:
    """Runs a file for a second at most, so that the trial itself can be tried."""

    def run(path: Path) -> str:
        signal.setitimer(signal.ITIMER_PROF, 1.0)
        exec(path.read_text(), {})
        return ""

    return run


def _settings() -> Callable[[Path], str]:
    """What `serve --check-config` does with a file."""
    from edgecnn.serving.settings.reading import read_settings

    return lambda path: str(read_settings(path, {}))[:1]


if __name__ == "__main__":
    _child(sys.argv[1])
