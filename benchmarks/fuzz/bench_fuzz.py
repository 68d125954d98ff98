"""Searches for inputs that break a promise of EdgeCNN's own parsers, guided by the code that each reaches (atheris).

    python benchmarks/fuzz/bench_fuzz.py header --seconds 600 --out /tmp/found

It begins with the committed corpus, tests/fuzz/corpus, and writes what reaches more into `--out`. `--seconds` are of
processor time: on a busy machine the search takes longer. It ends at the first input that breaks a promise, with status
1: the end of `fuzz.log` there says which promise, and `broken-*` is the input.
It needs atheris, which no extra of EdgeCNN brings; docs/reliability.md says how to install it. smallest_corpus.py
chooses what to keep.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from fuzz.promises import kept
from fuzz.targets import CORPUS, TARGETS, target_of

FOLLOWED = ["edgecnn", "python_multipart", "starlette.formparsers", "http.client", "http.cookiejar", "email"]
MOST_MB = 2048
HANGS_AFTER_S = 120  # by the clock: a busy machine holds a process up, and `kept` counts the processor's time
LONGEST_SHARE = 20  # by the clock, of the processor time: a search that gets none ends too
LINE = re.compile(r"#\d+\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600, help="of processor time")
    parser.add_argument("--out", type=Path, required=True, help="folder for new inputs and the log")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # the process that searches
    o = parser.parse_args()
    if o.inside:
        search(o.target, o.seconds, o.out, o.seed)
    return searched(o.target, o.out)


def searched(target: str, out: Path) -> int:
    """Runs the search in a process of its own, since an input may end it."""
    (out / "new").mkdir(parents=True, exist_ok=True)
    begun_s = time.monotonic()
    with (out / "fuzz.log").open("w") as log:
        command = [sys.executable, __file__, *sys.argv[1:], "--inside"]
        status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    said = (out / "fuzz.log").read_text(errors="replace")
    found, executed = LINE.findall(said), EXECUTIONS.search(said)
    broken = sorted(path.name for path in out.glob("broken-*"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = used.ru_utime + used.ru_stime
    print(f"{target}: {time.monotonic() - begun_s:.0f} s, {used_s:.0f} s of processor time")
    print(f"inputs that break a promise: {', '.join(broken) or 'none'}")
    if not found or executed is None:
        print(said[-3000:])
        return 1
    edges, features, inputs = map(int, found[-1])
    print(f"{int(executed[1]):,} executions, {edges:,} edges, {features:,} features, {inputs:,} inputs")
    return 1 if status or broken else 0


def search(name: str, seconds: int, out: Path, seed: int) -> None:
    """Does not return."""
    import atheris  # noqa: PLC0415  # not in the process that starts the search

    with atheris.instrument_imports(include=FOLLOWED):
        target = target_of(name)
    words = out / "words.dict"
    words.write_text("".join(f'"{escaped(word)}"\n' for word in target.WORDS))
    tracemalloc.start()
    hangs = [f"-timeout={HANGS_AFTER_S}", f"-report_slow_units={HANGS_AFTER_S}"]
    limits = [f"-max_total_time={LONGEST_SHARE * seconds}", *hangs, f"-rss_limit_mb={MOST_MB}", "-print_final_stats=1"]
    inputs = [f"-max_len={target.LONGEST}", f"-dict={words}", f"-seed={seed}", f"-artifact_prefix={out}/broken-"]
    with target.opened() as look:
        atheris.Setup(
            [sys.argv[0], *limits, *inputs, str(out / "new"), str(CORPUS / name)], lambda d: _try(look, d, seconds)
        )
        atheris.Fuzz()


def escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _try(look, data: bytes, seconds: int) -> None:
    kept(look, data)
    if time.process_time() > seconds:
        os.kill(os.getpid(), signal.SIGUSR1)  # libFuzzer then ends as if it had done all


if __name__ == "__main__":
    sys.exit(main())
