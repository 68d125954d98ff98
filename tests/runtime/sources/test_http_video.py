"""Recordings and HLS over HTTP, from a server of files with and without ranges, accounts and cookies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from file_server import FileServer, file_server
from video_files import FPS, shape_images, write_video

from edgecnn import Frame, open_source
from edgecnn.errors import SourceError
from edgecnn.runtime.sources import LiveOptions
from edgecnn.runtime.sources.drivers.driver import DriverError
from edgecnn.runtime.sources.drivers.http import read_http

FAIL_FAST = LiveOptions(fail_fast=True, stall_s=3.0, open_s=6.0, longest_first_s=6.0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    images = shape_images(25, side=320)
    write_video(folder / "index_last.mp4", images)  # FFmpeg writes an MP4's index at the end unless told otherwise
    write_video(folder / "index_first.mp4", images, options={"movflags": "+faststart"})
    write_video(folder / "a.ts", images, "mpeg2video")
    for name, first in (("index_last.mp4", b"mdat"), ("index_first.mp4", b"moov")):
        content = (folder / name).read_bytes()
        assert content.index(first) < content.index(b"moov" if first == b"mdat" else b"mdat")
    return folder


def frames_of(server: FileServer, name: str, account: str = "") -> list[Frame]:
    with open_source(f"http://{account}127.0.0.1:{server.port}/{name}", live=FAIL_FAST) as source:
        return list(source)


@pytest.mark.parametrize("name", ["index_last.mp4", "index_first.mp4", "a.ts"])
def test_a_recording_is_played_to_its_end_by_ranges(name: str, videos: Path) -> None:
    with file_server(videos) as server:
        frames = frames_of(server, name)
    assert len(frames) > 3
    assert frames[-1].index == 24
    assert {frame.image.shape for frame in frames} == {(320, 320, 3)}


@pytest.mark.parametrize("name", ["index_first.mp4", "a.ts"])
def test_without_ranges_what_can_be_read_from_the_front_is_played(name: str, videos: Path) -> None:
    with file_server(videos, ranges=False) as server:
        assert frames_of(server, name)[-1].index == 24


def test_without_ranges_an_index_at_the_end_is_refused_with_the_remedy(videos: Path) -> None:
    with (
        file_server(videos, ranges=False) as server,
        pytest.raises(SourceError, match=r"sends no parts of files.* index at the end: write it with ffmpeg -movflags"),
    ):
        frames_of(server, "index_last.mp4")


def test_a_recording_that_breaks_off_is_told(videos: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.ts", shape_images(50, side=320), "mpeg2video")
    with file_server(tmp_path, ranges=False, breaks_after=path.stat().st_size * 4 // 5) as server:
        frames = read_http(f"http://127.0.0.1:{server.port}/long.ts", 10**7, 3.0)
        with pytest.raises(DriverError, match="the server ended the stream within the file"):
            list(frames)


@pytest.mark.parametrize("digest", ["MD5", "SHA-256"])
def test_a_recording_behind_an_account_is_read_by_digest_alone(digest: str, videos: Path) -> None:
    with file_server(videos, digest=digest) as server:
        frames = frames_of(server, "index_last.mp4", "admin:pa%3Ass@")
    assert frames[-1].index == 24
    assert frames[0].name == f"http://***@127.0.0.1:{server.port}/index_last.mp4"
    assert not any("Authorization: Basic" in request for request in server.requests)


def test_cookies_go_along_with_every_part_of_a_recording(videos: Path) -> None:
    with file_server(videos, cookie=True) as server:
        assert frames_of(server, "index_last.mp4")[-1].index == 24


@pytest.mark.parametrize("name", ["a.ts", "a.m3u8"])
def test_a_wrong_password_of_a_video_is_told_and_never_shown_nor_sent_by_basic(
    name: str, videos: Path, tmp_path: Path
) -> None:
    with file_server(videos, digest="MD5") as server, pytest.raises(SourceError, match="401") as raised:
        frames_of(server, name, "admin:hunter2@")
    assert "hunter2" not in str(raised.value)
    assert not any("Authorization: Basic" in request for request in server.requests)


# ---- HLS


@contextmanager
def live_playlist(folder: Path, made: Path) -> Iterator[None]:
    """Publishes a piece each second, as an encoder does; the list names the last three, and never ends."""
    write_video(
        made / "a.m3u8",
        shape_images(10 * FPS, side=96),
        "mpeg2video",
        options={"hls_time": "1", "hls_list_size": "0"},
    )
    pieces = sorted(made.glob("*.ts"), key=lambda path: int(path.stem[1:]))
    stop = threading.Event()

    def publish(count: int) -> None:
        first = max(0, count - 3)
        (folder / pieces[count - 1].name).write_bytes(pieces[count - 1].read_bytes())
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for piece in pieces[first:count]:
            lines += ["#EXTINF:1.0,", piece.name]
        partial = folder / "partial"
        partial.write_text("\n".join(lines) + "\n")
        partial.rename(folder / "live.m3u8")

    def go_on() -> None:
        for count in range(4, len(pieces) + 1):
            if stop.wait(1.0):
                return
            publish(count)

    for count in (1, 2, 3):
        publish(count)
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def pieces_asked(server: FileServer) -> set[str]:
    return {path for request in server.requests if (path := request.partition("\n")[0]).endswith(".ts")}


@pytest.mark.parametrize("account", ["", "admin:pa%3Ass@"])
def test_a_live_playlist_is_followed_as_it_grows(account: str, tmp_path: Path) -> None:
    served, made = tmp_path / "served", tmp_path / "made"
    served.mkdir()
    made.mkdir()
    with (
        live_playlist(served, made),
        file_server(served, digest="MD5" if account else "") as server,
        open_source(f"http://{account}127.0.0.1:{server.port}/live.m3u8", live=FAIL_FAST) as source,
    ):
        seen = []
        while len(pieces_asked(server)) < 5:  # two that were not there at first
            seen.append(next(source))
    assert {frame.image.shape for frame in seen} == {(96, 96, 3)}
    assert len(seen) > 15  # at its own pace: pieces come whole, their frames each 1/25 s
    assert source.counters.outages == 0
    assert not any("Authorization: Basic" in request for request in server.requests)
