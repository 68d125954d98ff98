"""Runs ``edgecnn teach`` on folders that nobody should give it: ``python tests/teaching/hostile_folders.py 1000``.

Each run is a fork of this process. It must end with status 0, 2 or 3; say what is wrong in one line that names the
place and the remedy; take less than 1 GB; and leave nothing behind but a whole model file. Needs neither torch nor
onnx.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import hashlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from grounds import write_grounds, write_stripes  # noqa: E402
from harms import HARMS, LARGE_HARMS, Place  # noqa: E402

MODELS = Path(__file__).parents[1] / "models"
LARGEST_MEMORY = 1_000_000  # kB
LONGEST_LINE = 1200
TIMEOUT_S = 300


@dataclass(frozen=True)
class Case:
    """One folder: the harms done to it."""

    number: int
    harms: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.number:04d} {' + '.join(self.harms)}"


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    case: Case
    status: int
    line: str  # the error, or the reason
    faults: tuple[str, ...]  # broken promises
    memory_mb: float
    seconds: float


def cases(count: int, seed: int, *, large: bool = False) -> list[Case]:
    """Each harm alone, then one to three of them at random."""
    chance, names = random.Random(seed), sorted(HARMS)
    alone = [(name,) for name in [*names, *(sorted(LARGE_HARMS) if large else [])]]
    mixed = [tuple(chance.sample(names, chance.choice([1, 1, 2, 2, 3]))) for _ in range(count)]
    chosen = [*alone, *mixed][:count] if count >= len(alone) else chance.sample(alone, count)
    return [Case(i, harms) for i, harms in enumerate(chosen)]


def write_models(folder: Path) -> None:
    """Models with and without statistics of their classes, and one that gives no numbers for black images."""
    from edgecnn.runtime.onnx_file.proto import parse_model
    from edgecnn.teaching.options import TeachOptions
    from edgecnn.teaching.teach import teach

    for name in ("tiny.onnx", "tiny.int8.onnx"):
        shutil.copy(MODELS / name, folder)
    teach(folder / "tiny.onnx", write_grounds(folder / "first", 16), folder / "known.onnx", TeachOptions(replace=True))
    model = parse_model((folder / "known.onnx").read_bytes(), folder / "known.onnx", with_data=True)
    nodes = [node.SerializeToString() for node in model.graph.node]
    del model.graph.node[:]
    for content in nodes:
        node = model.graph.node.add()
        node.ParseFromString(content)
        if "embedding" in node.output:
            node.output[list(node.output).index("embedding")] = "raw"
            model.graph.node.add(op_type="Cast", input=["image"], output=["pixels"]).attribute.add(
                name="to", i=1, type=2
            )
            model.graph.node.add(op_type="Flatten", input=["pixels"], output=["row"])
            model.graph.node.add(op_type="ReduceMax", input=["row", "columns"], output=["top"])
            model.graph.node.add(op_type="Div", input=["top", "top"], output=["one"])
            model.graph.node.add(op_type="Mul", input=["raw", "one"], output=["embedding"])
    model.graph.initializer.add(name="columns", dims=[1], data_type=7, raw_data=(1).to_bytes(8, "little"))
    (folder / "nan.onnx").write_bytes(model.SerializeToString())


def make_place(case: Case, folder: Path, models: Path, template: Path) -> Place:
    """A good folder, then its harms."""
    chance = random.Random(f"{case.number} {case.harms}")
    root = folder / f"{case.number:04d}"
    shutil.copytree(template, root / "data")
    model = chance.choice(["known.onnx", "known.onnx", "tiny.onnx", "tiny.int8.onnx", "nan.onnx"])
    options = [] if model in ("known.onnx", "nan.onnx") and chance.random() < 0.7 else ["--replace"]
    if chance.random() < 0.3:
        shutil.rmtree(root / "data" / "stripes")
    place = Place(root, root / "data", root / "data", root / "out.onnx", models / model, options, random=chance)
    for harm in case.harms:
        with contextlib.suppress(OSError):  # of harms that exclude each other, the first counts
            {**HARMS, **LARGE_HARMS}[harm](place)
        assert place.data.is_relative_to(root), "a harm must stay in its folder"
    return place


def run_case(case: Case, folder: Path, models: Path, template: Path) -> Outcome:
    """Makes the folder, runs the command in a fork, and checks what it promises."""
    os.chdir(folder)  # a path without a root leads nowhere else
    place = make_place(case, folder, models, template)
    try:
        before = _contents(place.root)
        start = time.monotonic()
        status, memory, out, err = _run_forked(place)
        seconds = time.monotonic() - start
        faults = [*_faults_of_words(status, out, err), *_faults_of_files(place, before, status, out)]
        if memory > LARGEST_MEMORY:
            faults.append(f"took {memory / 1000:.0f} MB")
        said = _error_lines(err)
        line = (
            said[0] if said else (json.loads(out)["reason"] if out.startswith("{") else (err.splitlines() or [""])[-1])
        )
        return Outcome(case, status, line, tuple(faults), memory / 1000, seconds)
    finally:
        for mount in place.mounts:
            subprocess.run(["umount", "-l", mount], check=False)
        _remove(place.root)


def _run_forked(place: Place) -> tuple[int, int, str, str]:
    """Returns the exit status, the memory in kB, standard output and standard error."""
    streams = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
    child = os.fork()
    if child == 0:
        _be_edgecnn(place, [stream.fileno() for stream in streams])
    deadline = time.monotonic() + TIMEOUT_S
    while (ended := os.wait4(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            ended = os.wait4(child, 0)
            break
        time.sleep(0.02)
    texts = []
    for stream in streams:
        stream.seek(0)
        texts.append(stream.read().decode(errors="surrogateescape"))
        stream.close()
    return os.waitstatus_to_exitcode(ended[1]), ended[2].ru_maxrss, texts[0], texts[1]


def _be_edgecnn(place: Place, streams: Sequence[int]) -> None:
    """In the fork. Never returns."""
    status = 99
    try:
        faulthandler.enable()
        for number, stream in zip((1, 2), streams, strict=True):
            os.dup2(stream, number)
        sys.stdout, sys.stderr = (open(i, "w", closefd=False) for i in (1, 2))  # noqa: SIM115
        os.chdir(place.root)
        os.environ["COLUMNS"] = "400"
        sys.argv = [
            "edgecnn",
            "teach",
            str(place.model),
            "--data",
            str(place.given),
            "--out",
            str(place.out),
            "--json",
            *place.options,
        ]
        from edgecnn.cli import main

        for prepare in place.before:
            prepare()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:  # noqa: BLE001  # the parent reads it as a fault
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _error_lines(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("edgecnn: error:")]


def _faults_of_words(status: int, out: str, err: str) -> list[str]:
    found = []
    if status not in {0, 2, 3}:
        found.append(f"status {status}: {err[-600:]}")
    if "Traceback" in err + out or "internal error" in err:
        found.append(f"internal: {err[-600:]}")
    lines = _error_lines(err)
    if status == 2:
        if len(lines) + ("Usage:" in err) != 1:
            found.append(f"{len(lines)} error lines: {err[-600:]}")
        if out:
            found.append("something on standard output beside the error")
        found += [fault for line in lines for fault in _faults_of_line(line)]
    elif lines:
        found.append(f"an error with status {status}: {lines[0]}")
    return found + (_faults_of_result(status, out) if status in {0, 3} else [])


def _faults_of_line(line: str) -> list[str]:
    found = []
    if "; " not in line and "expected" not in line:
        found.append(f"no remedy: {line}")
    if len(line) > LONGEST_LINE and "a" * 200 not in line and "a/a/a/a" not in line:
        found.append(f"a line of {len(line)} characters")
    if not line.isprintable():
        found.append(f"not printable: {line!r}")
    return found


def _faults_of_result(status: int, out: str) -> list[str]:
    try:
        result = json.loads(out)
    except ValueError:
        return [f"no JSON: {out[:200]!r}"]
    found = []
    if result["decision"] != ("taught" if status == 0 else "unchanged") or not result["reason"]:
        found.append(f"decision {result['decision']} with status {status}")
    if not 0 <= result["cv_top1"] <= 1 or not all(0 <= f["top1"] <= 1 for f in result["forecast"]):
        found.append("figures out of range")
    return found


def _faults_of_files(place: Place, before: dict[str, str], status: int, out: str) -> list[str]:
    from edgecnn.runtime.session.opening import open_session

    after = _contents(place.root)
    target = os.path.relpath(os.path.realpath(place.root / place.out), place.root)
    changing = any(call.__qualname__.startswith("changing_while_read") for call in place.before)
    new = sorted(after.keys() - before.keys())
    lost = [] if changing else sorted(name for name in before if after.get(name) != before[name])
    found = []
    if status == 0:
        new, lost = [name for name in new if name != target], [name for name in lost if name != target]
        session = open_session(place.root / place.out, "cpu", prove=True)
        if list(session.manifest.labels) != json.loads(out)["labels"]:
            found.append("labels of the file are others")
        if target in before and before[target].startswith("image "):
            found.append(f"an image was overwritten: {target}")
    # A folder that --out names may be made
    new = [name for name in new if after[name] != "folder"]
    if new:
        found.append(f"left behind: {new}")
    if lost:
        found.append(f"changed: {lost}")
    return found


def _contents(root: Path) -> dict[str, str]:
    """What lies in a folder: kind and content of each."""
    return {str(path.relative_to(root)): _content(path) for path in _below(root)}


def _below(root: Path) -> Iterator[Path]:
    """Everything below a folder; links are not followed."""
    for folder, folders, files in os.walk(root):
        yield from (Path(folder) / name for name in (*folders, *files))


def _content(path: Path) -> str:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "special"
    return ("image " if path.suffix == ".png" else "") + hashlib.sha256(path.read_bytes()).hexdigest()


def _remove(root: Path) -> None:
    for path in _below(root):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)


def _import_once() -> None:
    """What every run needs, so that no fork imports it anew: that takes longer than the run."""
    import typer.rich_utils  # noqa: F401

    import edgecnn.cli.app
    import edgecnn.cli.commands.teach
    import edgecnn.runtime.session.opening
    import edgecnn.teaching.teach  # noqa: F401


def run(chosen: Sequence[Case], workers: int, report: Callable[[Outcome], object]) -> list[Outcome]:
    """Runs the cases in a pool of processes."""
    os.environ["EDGECNN_CACHE"] = tempfile.mkdtemp()
    work = Path(tempfile.mkdtemp(prefix="hostile-"))
    models, template = work / "models", work / "template"
    models.mkdir()
    _import_once()
    try:
        write_models(models)
        write_grounds(template, 12, first_seed=700)
        write_stripes(template, 8)
        outcomes = []
        with multiprocessing.get_context("fork").Pool(workers, maxtasksperchild=20) as pool:
            jobs = [pool.apply_async(run_case, (case, work, models, template)) for case in chosen]
            for case, job in zip(chosen, jobs, strict=True):
                try:
                    outcome = job.get(2 * TIMEOUT_S)
                except Exception as error:  # noqa: BLE001  # one of the check, not of the program
                    outcome = Outcome(case, -1, "", (f"the check itself failed: {error!r}",), 0, 0)
                outcomes.append(outcome)
                report(outcome)
        return outcomes
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(os.environ["EDGECNN_CACHE"], ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="cases whose name holds this")
    parser.add_argument("--large", action="store_true", help="also thousands of files and images of 64 megapixels")
    parser.add_argument("--verbose", action="store_true", help="what was said of each")
    options = parser.parse_args()

    def report(outcome: Outcome) -> None:
        if options.verbose or outcome.faults:
            print(
                f"{outcome.case.name}: {outcome.status}, {outcome.memory_mb:.0f} MB, {outcome.seconds:.1f} s: {outcome.line}"
            )
            for fault in outcome.faults:
                print(f"    FAULT {fault}", flush=True)

    chosen = [c for c in cases(options.count, options.seed, large=options.large) if (options.only or "") in c.name]
    outcomes = run(chosen, options.workers, report)
    failed = [outcome for outcome in outcomes if outcome.faults]
    statuses = ", ".join(
        f"{count} with status {status}" for status, count in sorted(Counter(o.status for o in outcomes).items())
    )
    print(
        f"{len(outcomes)} folders: {statuses}; most memory {max(o.memory_mb for o in outcomes):.0f} MB; {len(failed)} failed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
