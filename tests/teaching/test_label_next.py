"""Which images to label next: uncertain, unlike each other and the labelled ones, of all sources."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from grounds import write_grounds, write_stripes

from edgecnn.teaching.label_next import Candidates, choose_next
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.result import TeachResult
from edgecnn.teaching.teach import teach


def candidates(groups: int, each: int, spread: float = 0.05, seed: int = 0, **values: object) -> Candidates:
    """Images of so many different things, ``each`` of one thing in a row."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((groups, 32)) * 3
    features = np.repeat(centres, each, 0) + spread * random.standard_normal((groups * each, 32))
    given = {"probabilities": np.full((groups * each, 2), 0.5), "sources": [""] * (groups * each)}
    return Candidates(features=features.astype(np.float32), **{**given, **values})


def test_no_two_are_of_one_thing_while_others_are_left() -> None:
    found = choose_next(candidates(12, 10), np.zeros((0, 32), np.float32), 12)
    assert len({chosen.index // 10 for chosen in found}) >= 11


def test_what_is_labelled_already_is_not_named() -> None:
    given = candidates(10, 5)
    labelled = given.features[:25]  # the first five things
    found = choose_next(given, labelled, 5)
    assert {chosen.index // 5 for chosen in found} == {5, 6, 7, 8, 9}
    assert choose_next(given, given.features, 5) == []


def test_copies_are_named_once() -> None:
    given = candidates(4, 6, spread=0.0)
    found = choose_next(given, np.zeros((0, 32), np.float32), 24)
    assert sorted(chosen.index // 6 for chosen in found) == [0, 1, 2, 3]


@pytest.mark.parametrize(("things", "named"), [(1, 1), (2, 2), (6, 6)])
def test_copies_of_fewer_images_than_are_wanted_are_named_once(things: int, named: int) -> None:
    """A camera that stood still: hundreds of frames with the same bytes."""
    features = np.repeat(np.eye(things, 8, dtype=np.float32), 60 // things, 0)
    given = Candidates(features, np.full((60, 2), 0.5), ["door"] * 60)
    found = choose_next(given, np.zeros((0, 8), np.float32), 50)
    assert len({chosen.index // (60 // things) for chosen in found}) == len(found) == named


def test_of_things_alike_the_uncertain_ones_are_named() -> None:
    sure = np.tile([0.99, 0.01], (100, 1))
    sure[::2] = (0.52, 0.48)
    found = choose_next(candidates(2, 50, 1.0, probabilities=sure), np.zeros((0, 32), np.float32), 10)
    assert sum(chosen.index % 2 == 0 for chosen in found) >= 6
    assert {chosen.reason for chosen in found} <= {"two classes are equally likely", "typical of many"}
    assert all(chosen.guess == 0 for chosen in found)


def test_a_rare_source_has_its_share() -> None:
    sources = ["door"] * 190 + ["gate"] * 10
    counts = []
    for given in (sources, ["door"] * 200):
        found = choose_next(candidates(1, 200, 1.0, sources=given), np.zeros((0, 32), np.float32), 20)
        counts.append(sum(chosen.index >= 190 for chosen in found))
    assert counts[0] > counts[1]


def test_the_choice_repeats_and_its_beginning_does_not_depend_on_its_length() -> None:
    given = candidates(30, 4, 1.0)
    none = np.zeros((0, 32), np.float32)
    first = [chosen.index for chosen in choose_next(given, none, 20)]
    assert first == [chosen.index for chosen in choose_next(given, none, 60)][:20]
    assert len(set(first)) == 20


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_images_are_no_problem(count: int) -> None:
    given = candidates(1, max(count, 1))
    some = Candidates(given.features[:count], given.probabilities[:count, :1], given.sources[:count])
    assert len(choose_next(some, np.zeros((0, 32), np.float32), 5)) == count


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled")
    write_stripes(folder, 8)
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def ranked(model: Path, data: Path, unlabelled: Path, out: Path) -> TeachResult:
    return teach(model, data, out, TeachOptions(replace=True, unlabelled=unlabelled, label_next=5))


def test_a_teaching_names_them_whether_it_is_written_or_not(tiny_model: Path, unlabelled: Path, tmp_path: Path) -> None:
    data = write_grounds(tmp_path / "data", 12, 9000)
    found = ranked(tiny_model, data, unlabelled, tmp_path / "taught.onnx")
    again = teach(
        tmp_path / "taught.onnx", data, tmp_path / "no.onnx", TeachOptions(unlabelled=unlabelled, label_next=5)
    )
    assert (found.decision, again.decision) == ("taught", "unchanged")
    for result in (found, again):
        assert len({next_.path for next_ in result.label_next}) == 5
        assert all(Path(next_.path).parent.name == "stripes" for next_ in result.label_next)
        assert {next_.guess for next_ in result.label_next} <= {"dark", "light"}
        assert [skipped.path for skipped in result.skipped] == [str(unlabelled / "broken.jpg")]


def test_unreadable_images_are_skipped_and_none_is_named(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unlabelled"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no image")
    found = ranked(tiny_model, write_grounds(tmp_path / "data", 8, 9000), folder, tmp_path / "taught.onnx")
    assert (found.label_next, len(found.skipped), found.decision) == ((), 1, "taught")


def test_the_command_line_names_them(edgecnn, tiny_model: Path, unlabelled: Path, tmp_path: Path) -> None:
    data = write_grounds(tmp_path / "data", 8, 9000)
    given = ("teach", tiny_model, "--data", data, "--replace", "--unlabelled", unlabelled, "--out", tmp_path / "o.onnx")
    shown = edgecnn(*given, "--label-next", 3)
    assert shown.returncode == 0, shown.stderr
    assert "label these next" in shown.stdout
    assert shown.stdout.count(str(unlabelled)) >= 3
    found = json.loads(edgecnn(*given, "--label-next", 3, "--json").stdout)["label_next"]
    assert len(found) == 3
    assert set(found[0]) == {"path", "guess", "score", "reason"}
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, words in ((empty, "contains no images"), (tmp_path / "none", "no such folder")):
        refused = edgecnn("teach", tiny_model, "--data", data, "--replace", "--unlabelled", folder)
        assert refused.returncode != 0
        assert words in refused.stderr
