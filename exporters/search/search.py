"""``edgecnn search``: the network, image size, pruning and precision that meet a device's budget.

The page to read first. Cheap answers come first: how fast every network is, without training it
(:mod:`exporters.search.zoo`), and what a linear classifier reaches on its features (:mod:`exporters.search.probe`).
Then those are trained that may win (:mod:`exporters.search.next_network`), each from the weights and the answers of
the reference, until none is worth it or the time is over.
"""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from edgecnn.atomic import make_folder, write_text
from edgecnn.data.image_folder import scan_folder
from edgecnn.errors import DataError, GateError, Stopped, TrainingError, UsageError
from edgecnn.folder_lock import folder_lock
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.analysis.zoo import benchmark_zoo, time_in_turn
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.training.models.registry import find_model
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.setup import resolve_options
from exporters.search.front import against, candidates_of, choose
from exporters.search.guesses import Guesses, Trained
from exporters.search.latencies import Latencies, read_timings
from exporters.search.network_choice import NetworkChoice, network_choices, reference_of
from exporters.search.next_network import Limits, Standing, next_network
from exporters.search.options import SearchOptions
from exporters.search.page import write_page
from exporters.search.probe import Probed, ProbedImages, build_pretrained, probe, read_probed_images
from exporters.search.result import SearchResult
from exporters.search.state import SearchFolder
from exporters.search.time_left import TimeLeft
from exporters.search.trial import Origin, Trial, quantize_command, read_trial, run_trial, train_options
from exporters.search.zoo import build_for_timing, write_zoo, zoo_networks

__all__ = ["search"]


def search(options: SearchOptions, reporter: Reporter | None = None) -> SearchResult:
    """Searches the network that fits a device.

    Run again with the same output folder, it goes on with what is in it.

    Args:
        options: data, limits and time.
        reporter: receives stages and progress.

    Raises:
        UsageError: an option that cannot be used, or a folder with another search.
        InputNotFoundError, DataError: the images or the timings cannot be used.
        OutputError: the folder cannot be written.
        MissingExtraError: pretrained weights are not installed.
        CheckpointError: a network cannot be trained.
        TrainingError, GateError: the reference cannot be trained or exported; another network is left out.
    """
    reporter = reporter or Silent()
    choices = network_choices(options.models)
    given = None if options.timings is None else _read_timings(options.timings, reference_of(choices), options.threads)
    if options.out.resolve().is_relative_to(options.data.resolve()):
        raise UsageError(f"--out {options.out}: lies in {options.data}, among the images; name a folder outside")
    folder = SearchFolder(options.out)
    make_folder(folder.root)
    with folder_lock(folder.root, "--out", reporter.say):
        folder.begin(options)
        left = TimeLeft.begin(options, folder, reference_of(choices))
        how = f"the same command goes on with what is in {folder.root}"
        try:
            return _Search(options, folder, choices, given, left, reporter).run()
        except KeyboardInterrupt as stop:  # of a training, which names its own command
            raise KeyboardInterrupt(how) from stop
        except SystemExit as stop:
            raise Stopped(stop.code, how) from stop
        finally:  # an interrupted training took time too
            folder.record_spent(left.spent_s())


def _read_timings(path: Path, reference: NetworkChoice, threads: int) -> Latencies:
    found = read_timings(path)
    if threads not in (SearchOptions.threads, found.threads):
        raise UsageError(
            f"--threads {threads}: {path} was timed with {found.threads}; leave it out, or time the zoo with {threads}"
        )
    if not found.timed([reference]):
        raise DataError(
            f"--timings {path}: has no times of {reference.name} in both precisions, with which all others are "
            "compared; write it again with the whole zoo of this search"
        )
    return found


@dataclass(frozen=True, eq=False)
class _Search:
    options: SearchOptions
    folder: SearchFolder
    choices: tuple[NetworkChoice, ...]
    given: Latencies | None
    time: TimeLeft
    reporter: Reporter

    def run(self) -> SearchResult:
        reference = self._trial(reference_of(self.choices), ())
        latencies = self._latencies(reference)
        choices = latencies.timed(self.choices)
        probes = self._probes(choices, reference)
        trials = [reference, *self._finished(choices)]
        left_out: list[NetworkChoice] = []
        while (following := self._next(choices, left_out, probes, latencies, trials)) is not None:
            try:
                trials.append(self._trial(following, trials))
            except (TrainingError, GateError) as error:  # of this network alone: the others may do
                self.reporter.say(f"{following.name}: left out: {error}")
                left_out.append(following)
        kept = [choice for choice in choices if choice not in left_out]
        return self._result(trials, kept, probes, latencies)

    def _trial(self, choice: NetworkChoice, before: Sequence[Trial]) -> Trial:
        folder = self.folder.trial(choice)
        found = read_trial(folder)
        if found is None:
            self.reporter.say(f"{choice.name}: training, {max(self.time.left_s(), 0) / 60:.0f} minutes left")
            make_folder(folder)
            origin = Origin.of(choice, before)
            found = run_trial(choice, origin, self.options, folder, self.reporter)
            self.reporter.say(f"{choice.name}: {found.decision}")
        self.time.learn(choice, found.seconds)
        self.folder.record_spent(self.time.spent_s())
        return found

    def _finished(self, choices: Sequence[NetworkChoice]) -> list[Trial]:
        """What earlier runs of this search trained."""
        reference = reference_of(self.choices)
        others = [each for choice in choices if choice != reference for each in (choice, choice.again)]
        read = [read_trial(self.folder.trial(choice)) for choice in others]
        found = [trial for trial in read if trial is not None]
        for trial in found:
            self.time.learn(trial.choice, trial.seconds)
        return found

    def _latencies(self, reference: Trial) -> Latencies:
        networks = zoo_networks(self.choices)
        images = self._images(reference)
        labels = scan_folder(self.options.data).class_names
        write_zoo(
            networks,
            labels,
            self.folder.zoo,
            self.options.target,
            lambda network: build_for_timing(network, reference.checkpoint, len(labels), lambda: images(network.model)),
            self.reporter,
        )
        if self.given is not None:
            return self.given
        progress = self.reporter.stage("timing networks")
        return Latencies.of(benchmark_zoo(self.folder.zoo, "cpu", self._run_options(), progress))

    def _images(self, reference: Trial) -> Callable[[str], ProbedImages]:
        """Training images of a network's own size, read when they are needed. Those of all would be a gigabyte."""
        paths, truth = _training_images(Path(reference.checkpoint).parent.parent, self.options.data)

        @lru_cache(maxsize=1)
        def images(model: str) -> ProbedImages:
            return read_probed_images(paths, truth, find_model(model), self.options.max_pixels)

        return images

    def _probes(self, choices: Sequence[NetworkChoice], reference: Trial) -> Mapping[tuple[str, int], Probed]:
        probes = self.folder.probes()
        images = self._images(reference)
        missing = sorted({(choice.model, choice.imgsz) for choice in choices} - set(probes))
        for model, side in missing:
            progress = self.reporter.stage(f"features of {model} at {side} pixels")
            network, spec = build_pretrained(model), find_model(model)
            probes[model, side] = probe(network, spec, side, images(model), self.options.seed, progress)
            self.folder.record_probes(probes)
        return probes

    def _next(
        self,
        choices: Sequence[NetworkChoice],
        left_out: Sequence[NetworkChoice],
        probes: Mapping[tuple[str, int], Probed],
        latencies: Latencies,
        trials: Sequence[Trial],
    ) -> NetworkChoice | None:
        def fits(choice: NetworkChoice) -> bool:
            return choice not in left_out and self.time.fits(choice)

        standing = _standing(trials, latencies)
        kept = [choice for choice in choices if choice not in left_out]
        return next_network(kept, _guesses(probes, trials), latencies, standing, self._limits(), fits)

    def _result(
        self,
        trials: Sequence[Trial],
        choices: Sequence[NetworkChoice],
        probes: Mapping[tuple[str, int], Probed],
        latencies: Latencies,
    ) -> SearchResult:
        timed = self._timed_files(trials, latencies)
        candidates = candidates_of(trials, timed)
        reference = trials[0]
        choice = choose(candidates, self._limits(), _top1(reference))
        compared = None
        if choice.candidate is not None and reference.best.file in timed:
            compared = against(choice.candidate, reference, trials, timed)
        trained = {trial.choice for trial in trials}
        guesses = _guesses(probes, trials)
        left = sorted((c for c in choices if c not in trained), key=lambda c: guesses.of(c).mean)
        best = max(trials, key=lambda trial: trial.best.val_hits.count("1"))
        result = SearchResult(
            chosen=choice.candidate,
            reason=choice.reason,
            against=compared,
            candidates=candidates,
            untried=tuple(c.name for c in left),
            val_images=len(best.best.val_hits),
            test_images=len(best.best.test_hits),
            cpu=latencies.cpu,
            threads=latencies.threads,
            repeat=self._repeat(choice.candidate.file, trials) if choice.candidate else (),
            seconds=self.time.spent_s(),
            report=str(self.folder.report),
        )
        write_page(self.folder.report, f"Search on {self.options.data}", result, self._limits())
        write_text(self.folder.result, json.dumps(asdict(result), indent=1))
        return result

    def _timed_files(self, trials: Sequence[Trial], latencies: Latencies) -> dict[str, float]:
        """Milliseconds of each file: as the device timed its network, or measured in turn here."""
        files = [(trial.choice, each) for trial in trials for each in trial.files]
        if self.given is not None:
            known = {each.file: latencies.file(choice, each.precision) for choice, each in files}
            return {file: ms for file, ms in known.items() if ms is not None}
        progress = self.reporter.stage("timing files")
        paths = [Path(each.file) for _, each in files]
        times = time_in_turn(paths, "cpu", self._run_options(), progress)
        return dict(zip(map(str, paths), times, strict=True))

    def _run_options(self) -> RunOptions:
        return RunOptions(threads=self.options.threads)

    def _limits(self) -> Limits:
        return Limits(self.options.max_latency_ms, self.options.min_top1, self.options.max_size_mb)

    def _repeat(self, file: str, trials: Sequence[Trial]) -> tuple[str, ...]:
        """Commands that train the reference and the chosen network, and make the file."""
        chosen = next(trial for trial in trials if any(each.file == file for each in trial.files))
        wanted = [trial for trial in trials if trial.choice in (trials[0].choice, chosen.choice.first, chosen.choice)]
        commands = []
        for i, trial in enumerate(wanted):
            run = Path(trial.checkpoint).parent.parent
            options = train_options(trial.choice, Origin.of(trial.choice, wanted[:i]), self.options, run)
            setup = resolve_options(options)
            commands.append(f"{repeat_command(options, setup, setup.recipe.epochs)} --out {shlex.quote(str(run))}")
        plain = chosen.files[0].file
        commands.append(f"edgecnn export {shlex.quote(chosen.checkpoint)} --out {shlex.quote(plain)}")
        if file != plain:
            commands.append(quantize_command(plain, file, self.options))
        return tuple(commands)


def _standing(trials: Sequence[Trial], latencies: Latencies) -> Standing:
    times = {trial.choice: latencies.file(trial.choice, trial.best.precision) for trial in trials}
    return Standing(
        trials[0].choice,
        {choice: ms for choice, ms in times.items() if ms is not None},
        {t.choice: _top1(t) for t in trials if times[t.choice] is not None},
    )


def _top1(trial: Trial) -> float:
    return trial.best.val_hits.count("1") / len(trial.best.val_hits)


def _guesses(probes: Mapping[tuple[str, int], Probed], trials: Sequence[Trial]) -> Guesses:
    return Guesses(probes, [Trained(t.choice, t.best.val_hits.count("0"), len(t.best.val_hits)) for t in trials])


def _training_images(run: Path, data: Path) -> tuple[list[Path], list[int]]:
    """The images that the reference was trained on, with the index of each one's class."""
    with (run / "split.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    labels = sorted({row["label"] for row in rows})
    return [data / row["path"] for row in rows], [labels.index(row["label"]) for row in rows]
