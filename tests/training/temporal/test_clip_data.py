"""A folder of clips becomes steps with labels, each clip on one side of the split."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from made_clips import moving, write_clips, write_frames

from edgecnn.data.clips.clip_folder import scan_clips
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.step_rate import choose_step_rate
from edgecnn.data.image_folder import SPLITS
from edgecnn.data_quality.finding import Finding
from edgecnn.errors import DataError, UsageError
from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.progress import Reporter, Silent
from edgecnn.training.data.split import SplitShares
from edgecnn.training.data.split_carried_over import KnownSplit
from edgecnn.training.temporal import clip_data
from edgecnn.training.temporal.clip_data import ClipData, ClipPlan, load_clip_data
from edgecnn.training.temporal.frame_labels import UNLABELLED, FrameLabels
from edgecnn.training.temporal.step_store import StepStore

SIDE = 16


def load(
    root: Path,
    tmp_path: Path,
    *,
    every_step: bool = False,
    spans: FrameLabels | None = None,
    test_split: float = 0.0,
    seed: int = 0,
    known: tuple[KnownSplit, ...] = (),
    reporter: Reporter | None = None,
) -> ClipData:
    folder = scan_clips(root) if spans is None else spans.folder(root)
    rate = choose_step_rate(folder, 10, None)
    plan = ClipPlan(
        reader=ClipReader(InputSpec(SIDE, SIDE), PreprocessSpec(), rate.interval_s, 10),
        rate=rate,
        store=StepStore(tmp_path, (SIDE, SIDE, 3), np.uint8),
        convert=lambda steps: steps,
        shares=SplitShares(0.25, test_split, seed),
        group="auto",
        every_step=every_step,
        spans=spans,
        known=known,
    )
    return load_clip_data(folder, plan, reporter or Silent())


def test_each_clip_has_its_steps_and_its_label_at_the_last_one(tmp_path: Path) -> None:
    found = load(write_clips(tmp_path / "data", 4), tmp_path)
    assert found.labels == ("left", "right")
    assert sorted(s.steps for s in found.samples) == [8, 8, 8, 8, 9, 9, 10, 10]
    assert {s.split for s in found.samples} == {"train", "val"}
    for sample in found.samples:
        assert sample.step_labels.tolist() == [UNLABELLED] * (sample.steps - 1) + [sample.label]
        assert found.labels[sample.label] == sample.path.parent.name
        assert found.store.read(sample.first, sample.steps).shape == (sample.steps, SIDE, SIDE, 3)


def test_every_step_may_be_learned(tmp_path: Path) -> None:
    found = load(write_clips(tmp_path / "data", 4), tmp_path, every_step=True)
    assert all((s.step_labels == s.label).all() for s in found.samples)


def test_spans_of_a_table_label_the_steps(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 4)
    table = tmp_path / "labels.csv"
    rows = [f"{clip}/{i},0.2,0.5,go\n{clip}/{i},0.5,,stop\n" for clip in ("left", "right") for i in range(4)]
    table.write_text("clip,start_s,end_s,label\n" + "".join(rows))
    found = load(root, tmp_path, spans=FrameLabels.read(table, root))
    assert found.labels == ("go", "stop")
    assert found.samples[0].step_labels.tolist() == [-1, -1, 0, 0, 0, 1, 1, 1]


def test_a_table_that_names_no_clip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no clip")
    table = tmp_path / "labels.csv"
    table.write_text("clip,start_s,end_s,label\nnotes.txt,,,go\n")
    with pytest.raises(DataError, match=r"labels\.csv, line 2: .*neither a video nor a folder of frames"):
        FrameLabels.read(table, tmp_path).folder(tmp_path)


@pytest.mark.parametrize("name", ["{root}/left/0", "../data/left/0", "right/../left/0"])
def test_a_table_names_each_clip_in_one_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    root = write_clips(tmp_path / "data", 2)
    table = tmp_path / "labels.csv"
    table.write_text(f"clip,start_s,end_s,label\nleft/1,,,go\n{name.format(root=root)},,,go\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"labels\.csv, line 3: .* is not a path inside data"):
        FrameLabels.read(table, Path("data")).folder(Path("data"))


def test_labels_of_a_table_have_no_blanks_around_them(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 2)
    table = tmp_path / "labels.csv"
    table.write_text("clip,start_s,end_s,label\nleft/0,,, go \nleft/1,,,go\n")
    assert FrameLabels.read(table, root).names == ("go",)
    table.write_text("clip,start_s,end_s,label\nleft/0,,,go\nleft/1,,,\n")
    with pytest.raises(DataError, match=r"labels\.csv, line 3: the label is empty"):
        FrameLabels.read(table, root)


def test_copies_of_a_clip_stay_on_one_side(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 6)
    for i in range(6):
        shutil.copytree(root / "left" / "0", root / "left" / f"copy{i}")
    found = load(root, tmp_path)
    assert len({s.split for s in found.samples if s.path.name == "0" or s.path.name.startswith("copy")} - {"test"}) >= 1
    sides = {s.split for s in found.samples if s.path.parent.name == "left" and "copy" in s.path.name}
    assert len(sides) == 1
    assert found.duplicates >= 6


def test_a_test_share_is_split_off_a_ready_split_without_test(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split in ("train", "val"):
        write_clips(root / split, 8)
    found = load(root, tmp_path, test_split=0.25)
    assert {split: len(found.of(split)) for split in SPLITS} == {"train": 12, "val": 16, "test": 4}
    assert {s.path.parent.parent.name for s in found.of("test")} == {"train"}
    (root / "val").rename(root / "test")
    with pytest.raises(UsageError, match=r"--test-split 0\.25: .* has a test split already"):
        load(root, tmp_path, test_split=0.25)


def test_what_the_weights_were_trained_on_stays_in_training(tmp_path: Path) -> None:
    class Told(Silent):
        def say(self, line: str) -> None:
            lines.append(line)

    lines: list[str] = []
    first = load(write_clips(tmp_path / "data", 8), tmp_path)
    sides = {s.digest: s.split for s in first.samples}
    known = KnownSplit("best.pt", first.record)
    second = load(tmp_path / "data", tmp_path, seed=1, known=(known,), reporter=Told())
    assert {s.digest: s.split for s in second.samples} == sides
    assert "best.pt: was trained on 12 of these 16 clips, which stay in training" in lines[0]
    elsewhere = load(write_clips(tmp_path / "new", 4), tmp_path, known=(known,))
    absent = {s.digest for s in first.of("train")} - {s.digest for s in elsewhere.samples}
    assert absent
    assert {elsewhere.record.split_of(digest) for digest in absent} == {"train"}


def test_an_unreadable_clip_is_left_out_and_named(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 4)
    (root / "left" / "broken.mp4").write_bytes(b"no video")
    found = load(root, tmp_path)
    assert [Path(s.path).name for s in found.skipped] == ["broken.mp4"]
    assert len(found.samples) == 8


def told(data: ClipData) -> list[Finding]:
    """What `train` prints. At 16 pixels all of these clips look alike, which is a note."""
    return [finding for finding in data.findings if finding.level != "note"]


def test_what_doctor_finds_is_found_while_the_clips_are_read(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 4)
    assert told(load(root, tmp_path)) == []
    (root / "left" / "9.avi").write_bytes(b"no video")
    shutil.copytree(root / "left" / "0", root / "left" / "again")
    found = told(load(root, tmp_path))
    assert [(f.level, f.what) for f in found] == [
        ("fault", "1 clip cannot be read"),
        ("warning", "the same clip more than once in a class: 1 clip"),
    ]
    assert found[0].where.startswith("left/9.avi: ")


def test_labels_of_time_spans_are_no_classes_of_clips(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 4)
    rows = [f"{clip.relative_to(root)},0,0.5,{clip.parent.name}" for clip in sorted(root.glob("*/*"))]
    (tmp_path / "spans.csv").write_text("clip,start_s,end_s,label\n" + "\n".join(rows))
    assert told(load(root, tmp_path, spans=FrameLabels.read(tmp_path / "spans.csv", root))) == []


def test_a_long_clip_is_learned_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Told(Silent):
        def say(self, line: str) -> None:
            print(line)

    monkeypatch.setattr(clip_data, "MAX_STEPS", 12)
    root = write_clips(tmp_path / "data", 2)
    load(root, tmp_path, reporter=Told())
    assert "parts" not in capsys.readouterr().out
    write_frames(root / "left" / "long", moving("left", 28, 9))
    found = [s for s in load(root, tmp_path, reporter=Told()).samples if s.path.name == "long"]
    assert [s.steps for s in found] == [12, 12, 4]
    assert len({s.split for s in found}) == 1
    assert "1 clip is divided into parts, at gaps in time and after every 12 steps; each of these 3 parts counts" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(("clips", "said"), [(1, "has 1 readable clips"), (0, "contains no clips")])
def test_too_few_clips_are_an_error(tmp_path: Path, clips: int, said: str) -> None:
    root = write_clips(tmp_path / "data", clips)
    root.mkdir(exist_ok=True)
    with pytest.raises(DataError, match=said):
        load(root, tmp_path)


def test_one_class_is_an_error(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 3)
    shutil.rmtree(root / "left")
    with pytest.raises(DataError, match=r"clips of one class \('right'\), training needs two"):
        load(root, tmp_path)


def test_about_ten_steps_a_second_in_whole_frames(tmp_path: Path) -> None:
    root = write_clips(tmp_path / "data", 2)
    folder = scan_clips(root)
    assert choose_step_rate(folder, 30, None).stride == 3
    assert choose_step_rate(folder, 30, None).interval_s == pytest.approx(0.1)
    assert choose_step_rate(folder, 12, None).interval_s == pytest.approx(1 / 12)
    assert choose_step_rate(folder, 4, None).interval_s == pytest.approx(0.25)
    assert choose_step_rate(folder, 30, 5).stride == 6
