"""Where images come from."""

from __future__ import annotations

import io
import os
import sys
import time
from datetime import datetime
from pathlib import Path

import cv2
import pytest
from shapes import shape_image

from edgecnn import open_source
from edgecnn.errors import DataError, ImageError, InputNotFoundError, SourceError
from edgecnn.runtime.sources import expand_sources
from edgecnn.runtime.sources.frame import now_rfc3339


def test_a_folder_gives_its_images_sorted_without_hidden_or_other_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "sub/c.PNG", ".hidden.png", "notes.txt"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"")
    assert [Path(p).name for p in expand_sources([str(tmp_path)])] == ["a.png", "b.png", "c.PNG"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), shape_image("circle", 0))
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(list(expand_sources([str(tmp_path)]))) == 1


def test_a_glob_gives_what_it_matches(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    assert [Path(p).name for p in expand_sources([str(tmp_path / "a*.png")])] == ["a1.png", "a2.png"]


def test_a_pattern_of_folders_gives_each_image_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("p/a/1.png", "p/a/2.png", "p/b/1.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    for pattern in ("p/**", "./p/**", "p/*"):
        assert sorted(map(os.path.normpath, expand_sources([pattern]))) == ["p/a/1.png", "p/a/2.png", "p/b/1.png"]


def test_an_empty_folder_that_a_pattern_matches_is_no_error_but_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "1.png").write_bytes(b"")
    assert list(expand_sources([str(tmp_path / "*")])) == [str(tmp_path / "full" / "1.png")]
    (tmp_path / "empty" / "1.heic").write_bytes(b"")
    with pytest.raises(DataError, match=r"e\*: the folder contains no images \(1 of a format that is not read"):
        expand_sources([str(tmp_path / "e*")])


def test_a_video_that_a_pattern_matches_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"")
    with pytest.raises(ImageError, match=r"v\.mp4: is a video in a list of images; give it as a separate source"):
        next(open_source(tmp_path / "v.*"))


def test_a_name_that_is_too_long_for_a_file_is_told() -> None:
    with pytest.raises(InputNotFoundError, match="File name too long"):
        open_source("a" * 300)


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1].png"
    path.write_bytes(b"")
    assert list(expand_sources([str(path)])) == [str(path)]


def test_standard_input_gives_a_path_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, "one image.png\nümlaut.png\n\nlast.png".encode())
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as lines:
        monkeypatch.setattr(sys, "stdin", lines)
        assert list(expand_sources(["-"])) == ["one image.png", "ümlaut.png", "last.png"]


def test_a_list_that_windows_programs_write_names_the_same_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notepad and PowerShell begin it with a byte order mark and end its lines with two characters."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\ufeffa.png\r\nb.png\r\n", newline=""))
    assert list(expand_sources(["-"])) == ["a.png", "b.png"]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_standard_input_that_names_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(InputNotFoundError, match="no paths on standard input"):
        list(expand_sources(["-"]))


def test_blank_lines_at_the_end_of_standard_input_are_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.png\n\n"))
    assert list(expand_sources(["-"])) == ["a.png"]


def test_what_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    for missing in ("nowhere.png", str(tmp_path / "*.png")):
        with pytest.raises(InputNotFoundError, match=r"\.png"):
            open_source(missing)
    with pytest.raises(DataError, match="no images"):
        open_source(tmp_path)


def test_a_scheme_that_there_is_not_is_named() -> None:
    with pytest.raises(SourceError, match="ftp://: no such kind of source"):
        open_source("ftp://host/a.jpg")


def test_an_unreadable_image_is_an_error_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(ImageError, match=r"a\.png"):
        next(open_source(tmp_path))


def test_the_time_of_day_is_in_utc_and_milliseconds_across_seconds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before_s = time.time() - 1e-3
    told = now_rfc3339()
    assert before_s <= datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp() <= time.time()
    for now_ns, expected in (
        (1_700_000_000_999_999_999, "2023-11-14T22:13:20.999Z"),
        (1_700_000_001_000_000_000, "2023-11-14T22:13:21.000Z"),
        (1_700_000_000_007_000_000, "2023-11-14T22:13:20.007Z"),
    ):
        monkeypatch.setattr(time, "time_ns", lambda now_ns=now_ns: now_ns)
        assert now_rfc3339() == expected
