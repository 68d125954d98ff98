"""The ring on disk keeps its limits, outlives restarts, and touches nothing that is not its own."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
from serving.collect.made_frames import PIXEL, files, fill, record, store_in

from edgecnn.errors import OutputError
from edgecnn.serving.collect import store as store_module
from edgecnn.serving.collect.age_clock import AgeClock

DAY_S = 86_400.0


def ids(store) -> list[str]:
    return [frame.record.id for frame in store.page(0, 1000, None).frames]


def test_the_oldest_frames_go_first_and_the_limit_holds_on_the_disk(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    size = fill(store, 1, b"x" * 5000)[0].size_bytes
    limited = store_in(tmp_path, max_bytes=4 * size + 10)
    kept = fill(limited, 10, b"x" * 5000)[-4:]
    assert ids(limited) == [frame.record.id for frame in reversed(kept)]
    on_disk = sum((tmp_path / name).stat().st_size for name in files(tmp_path))
    assert on_disk == limited.unlabelled_bytes <= 4 * size + 10


def test_a_frame_that_is_over_the_limit_alone_is_refused_and_nothing_goes(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_bytes=3000)
    fill(store, 1)
    with pytest.raises(OutputError, match="raise \\[collect\\] max_mb"):
        fill(store, 1, b"x" * 3000)
    assert len(ids(store)) == 1


def test_a_moment_whose_frames_are_gone_takes_no_memory(tmp_path: Path) -> None:
    size = fill(store_in(tmp_path), 1)[0].size_bytes
    limited = store_in(tmp_path, max_bytes=4 * size + 10)
    fill(limited, 20)
    kept = limited.page(0, 1000, None).frames
    assert dict(limited._in_group) == {frame.record.group: 1 for frame in kept}


def test_counts_and_labels_survive_a_restart(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    frames = fill(store, 5)
    store.label([frames[1].record.id], "cat")
    again = store_in(tmp_path)
    assert ids(again) == ids(store)
    assert again.unlabelled_bytes == store.unlabelled_bytes
    assert [f.given_label for f in again.page(0, 9, None).frames] == [None, None, None, "cat", None]
    assert again.next_number() == 6


def test_labelled_frames_never_go_by_themselves(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_bytes=3000, max_age_days=1)
    labelled = fill(store, 1, b"x" * 1000)[0].record.id
    store.label([labelled], "cat")
    assert store.unlabelled_bytes == 0
    fill(store, 10, b"x" * 1000)
    store.age_clock._before_s += 100 * DAY_S
    store.drop_old()
    assert ids(store) == [labelled]


def test_frames_that_are_too_old_go(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_age_days=2)
    fill(store, 1, age_clock_s=0.0)
    young = fill(store, 1, age_clock_s=1.5 * DAY_S)[0].record.id
    store.age_clock._before_s += 3 * DAY_S
    store.drop_old()
    assert ids(store) == [young]


@pytest.mark.parametrize("jump_s", [366 * DAY_S, -366 * DAY_S])
def test_a_clock_that_jumps_by_a_year_lets_no_frame_grow_old(tmp_path: Path, jump_s: float) -> None:
    wall, running_s = [1e9], [500.0]

    def clock() -> AgeClock:
        return AgeClock(tmp_path / "count", 0.0, lambda: wall[0], lambda: running_s[0])

    first = clock()
    running_s[0] += 3600
    wall[0] += jump_s  # while it runs
    assert first.now_s == 3600
    first.save()
    wall[0] += jump_s  # between two runs
    assert clock().now_s == (3600 + DAY_S if jump_s > 0 else 3600)


def test_a_pause_counts_up_to_a_day(tmp_path: Path) -> None:
    wall = [1e9]
    AgeClock(tmp_path / "count", 0.0, lambda: wall[0], lambda: 0.0).save()
    wall[0] += 7200
    assert AgeClock(tmp_path / "count", 0.0, lambda: wall[0], lambda: 0.0).now_s == 7200


def test_without_its_file_the_age_clock_goes_on_from_the_newest_frame(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    fill(store, 1, age_clock_s=12_345.0)
    (tmp_path / "records" / "age-clock").unlink(missing_ok=True)
    assert 12_345 <= store_in(tmp_path).age_clock.now_s < 12_445


def test_files_of_others_are_not_listed_and_stay(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_bytes=2000)
    foreign = ["unlabelled/mine.jpg", "labelled/cat/mine.jpg", "notes.txt", "records/mine.txt", "unlabelled/.x.part"]
    for name in foreign:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 4000)
    again = store_in(tmp_path, max_bytes=2000)
    frames = fill(again, 20)
    again.label([frames[-1].record.id], "cat")
    again.discard(ids(again))
    assert ids(again) == ids(store) == []
    assert set(foreign) <= files(tmp_path)


def test_what_a_killed_process_left_goes_at_the_start(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    kept = fill(store, 1)[0].record.id
    left = ["unlabelled/.abcd1234.part", "records/.abcd1234.part", "records/000009-door-x.json"]
    for name in left:
        (tmp_path / name).write_bytes(record(9, id="000009-door-x").to_json())
    assert ids(store_in(tmp_path)) == [kept]
    assert not set(left) & files(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 3}', b"\xff", b"[" * 100_000])
def test_a_broken_record_is_passed_over_and_its_image_stays(tmp_path: Path, content: bytes) -> None:
    store = store_in(tmp_path)
    broken, kept = (frame.record.id for frame in fill(store, 2))
    (tmp_path / "records" / f"{broken}.json").write_bytes(content)
    assert ids(store_in(tmp_path)) == [kept]
    assert f"unlabelled/{broken}.png" in files(tmp_path)


def test_labelling_moves_relabelling_moves_again_and_discarding_deletes(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    first, second = (frame.record.id for frame in fill(store, 2))
    assert store.label([first, second, first], "cat").labelled == 2
    assert files(tmp_path / "labelled") == {f"cat/session-{name}/{name}.png" for name in (first, second)}
    store.label([first], "dog")
    assert f"dog/session-{first}/{first}.png" in files(tmp_path / "labelled")
    store.label([second], "dog")
    assert [path.name for path in (tmp_path / "labelled").iterdir()] == ["dog"]  # no class without images is left
    assert store.discard([first, second, "gone"]) == 2
    assert files(tmp_path / "labelled") == files(tmp_path / "records") == set()
    assert store.discard([first]) == 0


def test_labelling_says_how_many_moments_the_frames_show(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    group = fill(store, 1)[0].record.id
    copies = [frame.record.id for frame in fill(store, 9, group=group)]
    other = fill(store, 1)[0].record.id
    done = store.label([group, *copies, other, "gone"], "cat")
    assert (done.labelled, done.groups, done.missing) == (11, 2, 1)
    folders = {path.name for path in (tmp_path / "labelled" / "cat").iterdir()}
    assert folders == {f"session-{group}", f"session-{other}"}


def test_an_image_that_somebody_moved_by_hand_has_the_label_of_its_folder(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    frame = fill(store, 1)[0]
    (tmp_path / "labelled" / "bird").mkdir()
    frame.path.rename(tmp_path / "labelled" / "bird" / frame.path.name)
    assert store.label([frame.record.id], "cat").missing == 1
    assert store_in(tmp_path).page(0, 1, None).frames[0].given_label == "bird"


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage._replace(free=40_000_000))
    with pytest.raises(OutputError, match="free disk space"):
        fill(store, 1)
    assert files(tmp_path) == set()


def test_pages_begin_with_the_newest_and_may_show_one_source(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for source in ("door", "gate", "door", "gate", "door"):
        fill(store, 1, source=source)
    page = store.page(1, 1, "door")
    assert (page.total, [frame.record.number for frame in page.frames]) == (3, [3])


def test_the_folder_is_private_and_records_are_json(tmp_path: Path) -> None:
    store = store_in(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    frame = fill(store, 1, score=0.5)[0]
    told = json.loads((tmp_path / "new" / "records" / f"{frame.record.id}.json").read_bytes())
    assert (told["source"], told["score"], told["reason"]) == ("door", 0.5, "unknown")
    assert store.read(frame.record.id) == (frame, PIXEL)
