"""What a source's name says, and what of it is never shown."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import get_args

import pytest

from edgecnn import open_source
from edgecnn.cli.predict_options import PredictOptions
from edgecnn.command_options import declarations
from edgecnn.errors import EdgeCNNError, InputNotFoundError, SourceError
from edgecnn.runtime.sources import LiveOptions, drivers, parse_address
from edgecnn.runtime.sources.address import with_colon
from edgecnn.runtime.sources.cameras import Camera, resolve_camera
from edgecnn.runtime.sources.drivers.table import DRIVERS, Kind
from edgecnn.runtime.sources.redaction import without_passwords


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", "camera"),
        ("/dev/video2", "camera"),
        ("camera:HD Webcam", "camera"),
        ("csi:", "csi"),
        ("rtsp://host/1", "rtsp"),
        ("rtsps://host/1", "rtsp"),
        ("http://host/a.jpg", "http"),
        ("HTTPS://host/video", "http"),
        ("fake:", "fake"),
        ("loop:images@2", "loop"),
        ("videotestsrc ! videoconvert ! appsink", "gstreamer"),
        ("-", "images"),
        ("images/*.png", "images"),
        ("nowhere.mp4", "images"),
    ],
)
def test_the_kind_is_told_by_the_text(text: str, kind: str) -> None:
    assert parse_address(text).kind == kind


def test_every_scheme_names_its_kind_and_is_told_to_users() -> None:
    table = (Path(__file__).parents[3] / "docs" / "cameras.md").read_text()
    (told,) = (d.spec.help for d in declarations(PredictOptions) if d.name == "sources")
    for kind, driver in DRIVERS.items():
        assert all(parse_address(f"{scheme}:x").kind == kind for scheme in driver.schemes)
        for text in (table, told):
            assert not driver.schemes or f"{driver.schemes[0]}:" in text, f"{kind}: in docs/cameras.md, help of SOURCE"


def test_every_kind_but_images_and_videos_has_a_driver_that_takes_its_settings() -> None:
    assert set(get_args(Kind)) == {"images", "video", *DRIVERS}
    for kind, driver in DRIVERS.items():
        read = getattr(import_module(f"{drivers.__name__}.{driver.module}"), driver.function)
        assert tuple(signature(read).parameters)[1:] == driver.settings, kind


def test_a_file_that_exists_is_a_file_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, kind in (("0", "images"), ("a ! b", "images"), ("clip.MP4", "video")):
        Path(name).write_bytes(b"x")
        assert parse_address(name).kind == kind


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:hunter2@10.0.0.8:554/h264",
        "rtsp://admin:p@hunter2@cam/1",
        "rtsp://admin:hunter2/slash@cam/1",
        "http://cam/video?user=admin&pwd=hunter2&channel=1",
        "http://cam/video?channel=1&password=hunter2",
        "https://cam/?access_token=hunter2",
        "rtspsrc location=rtsp://cam/1 user-id=admin user-pw=hunter2 ! appsink",
        "http://hunter2@cam/video",
    ],
)
def test_passwords_are_hidden_wherever_they_stand(address: str) -> None:
    found = parse_address(address)
    assert "hunter2" not in found.name
    assert "hunter2" not in repr(found)
    assert "hunter2" not in found.hide(f"cannot open {address}: hunter2 is wrong")
    assert "***" in found.name


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:it's hunter2@cam/1",
        'rtsp://admin:a"hunter2@cam/1',
        "http://admin:<hunter2>@cam/1",
        'rtspsrc location=rtsp://cam/1 user-pw="hunter2 and more" ! appsink',
        "rtspsrc location='rtsp://admin:it's-hunter2@cam/1' ! appsink",
        "rtspsrc location=rtsp://cam/1 proxy-pw=hunter2 ! appsink",
        "http://cam/?pwd=it'shunter2&channel=1",
    ],
)
def test_a_password_may_hold_quotes_brackets_and_spaces(address: str) -> None:
    found = parse_address(address)
    assert "hunter2" not in found.name
    assert "hunter2" not in found.hide(f"cannot open '{address}': no answer")


def test_what_a_message_says_beside_an_address_stays() -> None:
    found = parse_address("rtsp://admin:hunter2@cam/1")
    assert found.hide(f"{found.text} is away; ask help@example.org") == "rtsp://***@cam/1 is away; ask help@example.org"


def test_a_pipeline_may_be_longer_than_a_file_s_name() -> None:
    assert parse_address("videotestsrc ! " + "identity ! " * 100 + "appsink").kind == "gstreamer"


def test_an_address_without_a_password_is_shown_as_it_is() -> None:
    for text in ("rtsp://cam:554/h264?channel=1", "http://cam/video", "/dev/video0", "images/a@b.png"):
        assert without_passwords(text) == text


@pytest.mark.parametrize("letter", ["#", "?", "/", "#12?x#"])
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_password_with_a_raw_delimiter_is_hidden_whole_and_the_remedy_is_told(scheme: str, letter: str) -> None:
    with (
        open_source(f"{scheme}://user:Example{letter}99@127.0.0.1:9/s", live=LiveOptions(fail_fast=True)) as source,
        pytest.raises(SourceError, match="write # as %23") as raised,
    ):
        next(source)
    assert str(raised.value).startswith(f"{scheme}://***@127.0.0.1:9/s: ")
    assert "Example" not in str(raised.value)
    assert "99" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp:/user:hunter2@127.0.0.1:9/s",
        "rtsp:user:hunter2@127.0.0.1:9/s",
        "rtsp//user:hunter2@127.0.0.1:9/s",
        "user:hunter2@127.0.0.1:9/s",
        "user:hun/ter2@127.0.0.1/s" + 300 * "x",
        "rtps://user:hunter2@127.0.0.1:9/s",
    ],
)
def test_a_password_in_an_address_that_is_written_wrongly_is_hidden(address: str) -> None:
    with pytest.raises(EdgeCNNError) as raised:
        next(iter(open_source(address, live=LiveOptions(fail_fast=True))))
    assert "ter2" not in str(raised.value)


@pytest.mark.parametrize("path", ["C:\\a@b.png", "a@b.png", "c:/a@b.png", "photos/12:30@home.png", "a/b:c.png"])
def test_a_path_that_is_not_there_is_shown_as_it_is(path: str) -> None:
    with pytest.raises(InputNotFoundError) as raised:
        open_source(path)
    assert str(raised.value) == f"{path}: no such image, folder or pattern; check the path"


def test_links_to_video_devices_are_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cam").symlink_to("/dev/video97")
    for name in ("/dev/v4l/by-id/usb-x-index0", "/dev/v4l/by-path/pci-x", "cam", str(tmp_path / "cam")):
        assert parse_address(name).kind == "camera"
    camera = Camera(index=97, path="/dev/video97", name="x", kind="v4l2")
    assert resolve_camera("cam", [camera]) == camera


def test_a_line_about_a_source_has_one_colon_after_its_name() -> None:
    assert [with_colon(name) for name in ("fake:", "csi:", "rtsp://a/b", "0")] == ["fake:", "csi:", "rtsp://a/b:", "0:"]
