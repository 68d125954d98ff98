"""Tries hostile images, settings, requests and model files, and counts what crashed, hung, came in or took too much.

    python benchmarks/bench_hostile.py images --count 2000
    python benchmarks/bench_hostile.py settings --count 2000
    python benchmarks/bench_hostile.py requests --count 54
    python benchmarks/bench_hostile.py models --count 69

Images and settings are tried in a child process, so that one that ends or stalls it is named. Requests and model files
are sent to a real `edgecnn serve` with a source of 10 frames a second, and with secrets that must not come back:
requests all at once, the known ones (tests/serving/http/known_attacks.py) before those of the seed; model files one
after the other. The exit status is 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from faults.fortress import LIMIT_S, Fortress, accepted, fortress_in, secrets_of
from faults.hostile_images import hostile_images
from faults.hostile_model_files import hostile_model_files
from faults.hostile_requests import hostile_requests
from faults.hostile_settings import hostile_settings
from faults.model_trial import MOST_S, ModelOutcome, listened, tried_models
from faults.trial import Outcome, tried
from serving.http.attack import Attack
from serving.http.known_attacks import ATTACKS
from serving.raw_http import RawAnswer

MADE = {"images": hostile_images, "settings": hostile_settings}
MOST_MB, MOST_CPU_S = 512, 2.0
FAULTS = ("crashed", "hung", "traceback", "badly refused")
AT_ONCE = 50  # requests
MOST_NAMED = 10  # of each fault
BEFORE_S = 5.0  # in which decisions are timed without hostile models


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=(*MADE, "requests", "models"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGECNN_CACHE"] = f"{folder}/cache"  # no verdict of before counts
        if o.kind == "requests":
            return of_service(Path(folder), lambda fortress: requests(fortress, o.count or 54, o.seed))
        if o.kind == "models":
            return of_service(Path(folder), lambda fortress: models(fortress, o.count or 69, o.seed))
        paths = []
        for made in MADE[o.kind](o.count or 2000, o.seed):
            paths.append(Path(folder) / made.name)
            paths[-1].write_bytes(made.content)
        return report(tried(o.kind, paths))


def report(outcomes: list[Outcome]) -> int:
    counts = Counter(outcome.what for outcome in outcomes)
    print(f"{len(outcomes)} files: {counts['answered']} answered, {counts['refused']} refused")
    print(", ".join(f"{counts[fault]} {fault}" for fault in FAULTS))
    large = [outcome for outcome in outcomes if outcome.memory_mb > MOST_MB]
    slow = [outcome for outcome in outcomes if outcome.cpu_s > MOST_CPU_S]
    most_mb, longest_s = max(o.memory_mb for o in outcomes), max(o.cpu_s for o in outcomes)
    print(f"{len(large)} over {MOST_MB} MB, at most {most_mb:.0f} MB in all")
    print(f"{len(slow)} over {MOST_CPU_S:g} s, at most {longest_s:.2f} s of processor time")
    bad = {outcome.path: outcome for outcome in (*large, *slow, *(o for o in outcomes if o.is_fault))}
    for outcome in bad.values():
        cost = f"{outcome.memory_mb:.0f} MB, {outcome.cpu_s:.1f} s"
        print(f"  {Path(outcome.path).name}: {outcome.what}, {cost}: {outcome.said}")
    return 1 if bad else 0


def of_service(folder: Path, trial: Callable[[Fortress], int]) -> int:
    home = folder / "service"
    home.mkdir()
    with fortress_in(home) as fortress:
        return trial(fortress)


def requests(fortress: Fortress, count: int, seed: int) -> int:
    """The known ones, then those of the seed."""
    before, frames = fortress.state(), fortress.frames()
    faults = 0
    for what, attacks in (("known", ATTACKS), ("of the seed", dict(hostile_requests(count, seed)))):
        answers: dict[str, RawAnswer] = {}
        for some in batches(attacks):
            answers |= fortress.attacked(some)
        faults += told_requests(what, answers)
    changed = fortress.state() != before
    print(f"state and files of the service: {'CHANGED' if changed else 'unchanged'}")
    print(f"frames of its source meanwhile: {fortress.frames() - frames}")
    return 1 if faults or changed else 0


def batches(attacks: Mapping[str, Attack]) -> list[dict[str, Attack]]:
    names = list(attacks)
    return [{name: attacks[name] for name in names[i : i + AT_ONCE]} for i in range(0, len(names), AT_ONCE)]


def told_requests(what: str, answers: Mapping[str, RawAnswer]) -> int:
    """Prints what became of them. Returns how many are a fault."""
    faults = {
        "read a secret": [name for name, answer in answers.items() if secrets_of(answer)],
        "accepted": [name for name, answer in answers.items() if accepted(answer)],
        f"open after {LIMIT_S:g} s": [
            n for n, answer in answers.items() if not answer.closed or answer.seconds > LIMIT_S
        ],
    }
    told = sum(bool(answer.statuses) for answer in answers.values())
    print(f"{len(answers)} requests, {what}: {told} told why, {len(answers) - told} cut off; ", end="")
    print(", ".join(f"{len(names)} {fault}" for fault, names in faults.items()), end="; ")
    print(f"the longest took {max(answer.seconds for answer in answers.values()):.1f} s")
    for fault, names in faults.items():
        for name in names[:MOST_NAMED]:
            print(f"  {fault}: {name}: {answers[name].content[:60]!r}")
    return sum(map(len, faults.values()))


def models(fortress: Fortress, count: int, seed: int) -> int:
    """Files of the seed, one after the other."""
    serving = fortress.state()["models"][0]["current"]["sha256"]
    with listened(fortress) as heard:
        time.sleep(BEFORE_S)
        begun_s = time.monotonic()
        outcomes = list(tried_models(fortress, hostile_model_files(count, seed, with_slow=True)))
        ended_s = time.monotonic()
    lives = fortress.service.process.poll() is None
    same = lives and fortress.state()["models"][0]["current"]["sha256"] == serving and set(heard.hashes) == {serving}
    faults = told_models(outcomes)
    print(
        f"the process of the service {'lived' if lives else 'ENDED'}; its model is {'the same' if same else 'ANOTHER'}"
    )
    during = heard.gaps_s(begun_s, ended_s)
    print(f"{len(during)} decisions in {ended_s - begun_s:.0f} s, {len(heard.failed)} failed")
    told_s("between two decisions before", heard.gaps_s(until_s=begun_s))
    told_s("between two decisions meanwhile", during)
    return 1 if faults or not same or heard.failed else 0


def told_models(outcomes: Sequence[ModelOutcome]) -> int:
    """Prints what became of them. Returns how many are a fault."""
    refused = [outcome for outcome in outcomes if outcome.is_refused]
    print(f"{len(outcomes)} model files: {len(refused)} refused, {len(outcomes) - len(refused)} passed every check")
    for outcome in outcomes:
        if not outcome.is_refused:
            print(f"  passed: {outcome.name}: {outcome.status} {outcome.said}")
    told_s("until a file was refused", [outcome.seconds for outcome in refused])
    slowest = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:3]
    print("the slowest: " + ", ".join(f"{outcome.name} {outcome.seconds:.1f} s" for outcome in slowest))
    faults = [outcome for outcome in outcomes if outcome.is_fault]
    print(f"{sum(outcome.seconds > MOST_S for outcome in outcomes)} over {MOST_S:g} s, {len(faults)} faults")
    for outcome in faults:
        print(f"  fault: {outcome.name}: {outcome.status} after {outcome.seconds:.1f} s: {outcome.said[:300]}")
    return len(faults)


def told_s(what: str, seconds: Sequence[float]) -> None:
    if not seconds:
        print(f"{what}: none")
        return
    print(f"{what}: median {statistics.median(seconds):.3f} s, at most {max(seconds):.3f} s ({len(seconds)})")


if __name__ == "__main__":
    sys.exit(main())
