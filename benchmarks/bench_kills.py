"""Kills training, export, quantize and teach at changes of files and at random moments, and looks at what is left.

    python benchmarks/bench_kills.py training --points 50
    python benchmarks/bench_kills.py files
    python benchmarks/bench_kills.py files teach

`training` kills a run at 50 points, half of them just before a file is opened, flushed, renamed, linked or removed,
half at random moments. Each is resumed, and its weights are compared bit by bit with those of a run that was never
stopped. `files` kills each command at every change of its output's folder: the old file or the new one has to be
there, whole. What the service writes is killed so by tests/faults/test_killed_writes.py, and its swaps by
bench_swaps.py --kills.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from command_line import start_fork
from grounds import write_grounds
from run_outputs import identical, rows_of
from shapes import write_shapes

from edgecnn.errors import EdgeCNNError
from edgecnn.progress import Silent
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.run.checkpoint import load_checkpoint, load_last

TINY = Path(__file__).resolve().parents[1] / "tests" / "models" / "tiny.onnx"
EPOCHS = 12
RECIPE = ["--model", "resnet8", "--weights", "none", "--epochs", EPOCHS, "--batch", 8, "--device", "cpu"]
# As many threads in every process: sums are added in the same order
ONE_THREAD = "import torch; torch.set_num_threads(1)\n"
COUNT_STEPS = """
import os
from edgecnn.training.run.loop_state import LoopState
def _count(told=os.open({file!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), add=LoopState.add_step):
    def add_step(self, *step):
        add(self, *step)
        os.write(told, b".")
    LoopState.add_step = add_step
_count()
"""
OLD = b"the old file"
STEP_S = 0.05  # about what a step and the files after it take


@dataclass(frozen=True)
class Point:
    """Where a command is killed: before a change of a file, or some time after a step of training."""

    change: int | None = None  # the first is 1
    steps: int | None = None  # that were taken
    later_s: float = 0.0

    @property
    def program(self) -> str:
        """Runs in the process before the command; {folder} is the one whose changes count."""
        if self.change is None:
            return ""
        return f"from killed_writes import kill_at_change; kill_at_change({{folder!r}}, {self.change})\n"


NEVER = Point()


@dataclass(frozen=True)
class Resumed:
    """A run that was killed and gone on with."""

    point: Point
    was_killed: bool  # False: it had ended before that moment
    epochs_done: float  # when it was killed
    epochs_redone: float
    same_weights: bool  # best.pt and last.pt, to the bit
    same_table: bool  # losses and accuracies of every epoch


def run(arguments: list[object], folder: Path, before: str, point: Point = NEVER) -> int | None:
    """Runs `edgecnn` in a process of its own, whose streams are files in ``folder``; returns its exit status.

    At a point of training it is killed from here; how many steps it has taken is the size of the file ``steps``.
    """
    for stream in ("out", "err"):
        (folder / stream).unlink(missing_ok=True)
    process = start_fork(arguments, os.environ, folder, before=before)
    if point.steps is not None:
        while process.is_alive() and steps_taken(folder) < point.steps:
            process.join(0.001)
        process.join(point.later_s)
        process.kill()
    process.join()
    return process.exitcode


def steps_taken(folder: Path) -> int:
    """By a run that counts them."""
    steps = folder / "steps"
    return steps.stat().st_size if steps.exists() else 0


def checked(status: int | None, folder: Path) -> None:
    """Ends the program where a command failed."""
    if status != 0:
        raise SystemExit(f"status {status}: {(folder / 'err').read_text()[-2000:]}")


def counting(folder: Path, count: Path) -> str:
    """A program that lists the changes of ``folder`` in the file ``count``."""
    return f"from killed_writes import count_changes; count_changes({str(folder)!r}, {str(count)!r})\n"


def training(folder: Path, points: int, seed: int) -> None:
    images = write_shapes(folder / "images", 20, side=40, first_seed=100)
    whole, steps, changes = folder / "whole", folder / "steps", folder / "changes"
    count = COUNT_STEPS.format(file=str(steps)) + counting(whole, changes)
    checked(run(["train", images, *RECIPE, "--out", whole], folder, ONE_THREAD + count), folder)
    made, taken = len(changes.read_text().splitlines()), steps_taken(folder)
    steps_per_epoch = taken // EPOCHS
    print(f"never stopped: {EPOCHS} epochs of {steps_per_epoch} steps, {made} changes of files", flush=True)
    moments = random.Random(seed)
    at_changes = [Point(change=1 + round(i * (made - 1) / max(1, points // 2 - 1))) for i in range(points // 2)]
    at_times = [
        Point(steps=moments.randrange(taken), later_s=moments.uniform(0, STEP_S))
        for _ in range(points - len(at_changes))
    ]
    found = []
    for number, point in enumerate([*at_changes, *at_times]):
        found.append(killed_run(images, folder / f"killed-{number}", whole, point, steps_per_epoch))
        print(number, found[-1], flush=True)
    killed = [resumed for resumed in found if resumed.was_killed]
    print(f"{len(killed)} of {len(found)} killed; the others had ended before")
    print(f"weights identical to the bit: {sum(r.same_weights for r in found)} of {len(found)}")
    print(f"tables identical: {sum(r.same_table for r in found)} of {len(found)}")
    print(f"epochs done again: at most {max((r.epochs_redone for r in killed), default=0):.2f}")


def killed_run(images: Path, folder: Path, whole: Path, point: Point, steps_per_epoch: int) -> Resumed:
    """Begins a run, kills it, goes on with it, and compares it with one that was never stopped."""
    folder.mkdir()
    out, steps = folder / "run", folder / "steps"
    before = ONE_THREAD + COUNT_STEPS.format(file=str(steps)) + point.program.format(folder=str(out))
    status = run(["train", images, *RECIPE, "--out", out], folder, before, point)
    done = steps_taken(folder)
    kept = steps_kept(out, steps_per_epoch)
    # Killed before its first checkpoint there is nothing to go on with: it is begun again
    words = ["--resume"] if kept is not None else [*RECIPE, "--force"]
    checked(run(["train", images, *words, "--out", out], folder, ONE_THREAD), folder)
    result = Resumed(
        point=point,
        was_killed=status == -signal.SIGKILL,
        epochs_done=done / steps_per_epoch,
        epochs_redone=(done - (kept or 0)) / steps_per_epoch,
        same_weights=all(identical(out / "weights" / n, whole / "weights" / n) for n in ("best.pt", "last.pt")),
        same_table=table(out) == table(whole),
    )
    shutil.rmtree(folder)
    return result


def steps_kept(out: Path, steps_per_epoch: int) -> int | None:
    """Steps that the checkpoint to resume from has; None: there is none yet."""
    last, previous = out / "weights" / "last.pt", out / "weights" / "last.previous.pt"
    if not last.exists() and not previous.exists():
        return None
    for path in (last, previous):
        if path.exists():
            load_checkpoint(path)  # whole, both of them
    progressed = load_last(last, previous, Silent()).progressed
    assert progressed is not None
    return len(progressed.history) * steps_per_epoch + progressed.step


def table(out: Path) -> list[tuple[str, ...]]:
    """The epochs of a run, without their times."""
    return [
        tuple(row[key] for key in ("epoch", "train_loss", "val_loss", "val_top1", "lr"))
        for row in rows_of(out / "results.csv")
    ]


def files(folder: Path, names: list[str]) -> None:
    shapes, grounds = write_shapes(folder / "shapes", 20), write_grounds(folder / "grounds", 12)
    commands: dict[str, list[object]] = {
        "export": ["export", folder / "run/weights/best.pt"],
        "quantize": ["quantize", TINY, "--data", shapes, "--method", "minmax", "--max-drop", 1, "--min-speedup", 0],
        "teach": ["teach", TINY, "--data", grounds, "--replace"],
    }
    names = names or [*commands]
    if "export" in names:
        checked(run(["train", shapes, *RECIPE[:4], "--epochs", 1, "--out", folder / "run"], folder, ONE_THREAD), folder)
    for name in names:
        print(f"{name}: {sweep(folder / name, commands[name])}", flush=True)


def sweep(folder: Path, words: list[object]) -> str:
    """Kills a command at every change of the folder that it writes into."""
    changes = folder / "changes"
    place, out = folder / "whole", folder / "whole" / "model.onnx"
    place.mkdir(parents=True)
    out.write_bytes(OLD)
    checked(run([*words, "-o", out], folder, ONE_THREAD + counting(place, changes)), folder)
    assert is_whole(out)
    made = changes.read_text().splitlines()
    old = new = 0
    broken = []
    for number in range(1, len(made) + 1):
        place, out = folder / f"{number}", folder / f"{number}" / "model.onnx"
        place.mkdir()
        out.write_bytes(OLD)
        status = run([*words, "-o", out], folder, ONE_THREAD + Point(change=number).program.format(folder=str(place)))
        assert status == -signal.SIGKILL, (status, (folder / "err").read_text()[-2000:])
        if out.exists() and out.read_bytes() == OLD:
            old += 1
        elif is_whole(out):
            new += 1
        else:
            broken.append(made[number - 1])
    return f"{len(made)} kills: the old file {old} times, the new one {new} times, neither {len(broken)} times {broken}"


def is_whole(model: Path) -> bool:
    """Whether it opens, and its golden samples hold."""
    try:
        open_session(model, "cpu", prove=True)
    except EdgeCNNError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("training")
    one.add_argument("--points", type=int, default=50)
    one.add_argument("--seed", type=int, default=0)
    commands.add_parser("files").add_argument("names", nargs="*", help="export, quantize, teach; all by default")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["EDGECNN_CACHE"] = f"{folder}/cache"
        if o.command == "training":
            training(folder, o.points, o.seed)
        else:
            files(folder, o.names)


if __name__ == "__main__":
    main()
