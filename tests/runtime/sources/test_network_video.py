"""Video over the network: how old its frames are, and what is dropped where decoding is slower than the camera."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from file_server import file_server
from video_files import shape_images, write_video

from edgecnn.runtime.sources.drivers.driver import UndecodedFrame
from edgecnn.runtime.sources.drivers.http import read_http
from edgecnn.runtime.sources.drivers.network_video import PacketReader
from edgecnn.video.decoder import VideoDecoder

RATE = 25


class LiveContainer:
    """Gives the packets of a file as a camera does, one each 1/25 s, and remembers when."""

    def __init__(self, path: Path) -> None:
        self._file = av.open(str(path))
        self.stream = self._file.streams.video[0]
        self.came_s: dict[int, float] = {}

    def demux(self, stream: av.VideoStream) -> Iterator[av.Packet]:
        start_s = time.monotonic()
        for number, packet in enumerate(self._file.demux(stream)):
            time.sleep(max(0.0, start_s + number / RATE - time.monotonic()))
            if packet.pts is not None:
                self.came_s[packet.pts] = time.monotonic()
            yield packet


def played(path: Path, seconds_a_frame: float) -> tuple[list[float], list[float], int]:
    """Each frame's told and true age, and how many packets came, with a decoder that takes its time."""
    live = LiveContainer(path)
    decoder: VideoDecoder[float] = VideoDecoder(live.stream, 1)
    told: list[float] = []
    true: list[float] = []
    for packet, came_s in PacketReader(live, live.stream, paced=False).packets(decoder):  # type: ignore[arg-type]
        for frame, taken_s in decoder.decode(packet, came_s):
            time.sleep(seconds_a_frame)
            now_s = time.monotonic()
            told.append(now_s - taken_s)
            true.append(now_s - live.came_s[frame.pts])
    return told, true, len(live.came_s)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_age_of_a_frame_counts_from_the_arrival_of_its_own_packet(b_frames: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", shape_images(30), "mpeg4", codec_options={"bf": str(b_frames)})
    told, true, _ = played(path, 0.0)
    assert len(told) == 30
    assert told == pytest.approx(true, abs=0.03)


def test_a_decoder_slower_than_the_camera_drops_before_decoding_and_tells_true_ages(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", shape_images(100))  # four seconds, a keyframe each ten frames
    told, true, came = played(path, 0.1)  # ten of 25 frames a second can be decoded
    assert told == pytest.approx(true, abs=0.03)
    assert max(true) < 1.2  # without dropping, the last of 100 frames would be six seconds old
    assert 20 < len(true) < 60
    assert came == 100


def test_the_time_of_decoding_a_frame_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.ts", shape_images(5), "mpeg2video")
    decode = VideoDecoder.decode

    def slow(decoder: VideoDecoder[float], packet: av.Packet, tag: float) -> list[tuple[av.VideoFrame, float]]:
        time.sleep(0.02)
        return list(decode(decoder, packet, tag))

    monkeypatch.setattr(VideoDecoder, "decode", slow)
    with file_server(tmp_path) as server:
        frames = list(read_http(f"http://127.0.0.1:{server.port}/a.ts", 10**6, 3.0))
    assert len(frames) == 5
    assert all(isinstance(frame, UndecodedFrame) and frame.decoding_ms >= 20 for frame in frames)
