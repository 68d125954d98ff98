"""Any text is an address or refused in one line, and no part of an address that is shown holds its password."""

from __future__ import annotations

from properties import examples, hypothesis, strategies

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.drivers.table import DRIVERS, SCHEMES

OF_HOST = sorted(scheme for scheme, kind in SCHEMES.items() if kind in DRIVERS and DRIVERS[kind].of_host)
PIECES = ("rtsp://", "http:", "camera:", "fake:", "csi:", " ! ", "/", "@", ":", "?", "#", "\0", "..", "%41", "\udcff")
TEXTS = strategies.lists(strategies.sampled_from(PIECES) | strategies.text(max_size=6), max_size=8).map("".join)
# Letters that stand nowhere else in the addresses below, and whatever between them
PASSWORDS = strategies.text(max_size=8).map(lambda inner: f"Qzx{inner}wkJ")


@examples(50)
@hypothesis.given(text=TEXTS)
def test_any_text_parses_or_is_refused_in_one_line(text: str) -> None:
    try:
        address = parse_address(text)
    except EdgeCNNError as error:
        assert "\n" not in str(error)  # noqa: PT017  # most texts are an address
        return
    assert address.text == text
    assert isinstance(address.name, str)
    assert isinstance(address.live, bool)
    assert text not in repr(address) or len(text) < 8


@examples(60)
@hypothesis.given(
    scheme=strategies.sampled_from(OF_HOST), user=strategies.text("abc-_.", max_size=5), password=PASSWORDS
)
@hypothesis.example(scheme="rtsp", user="admin", password="Qzx ! wkJ")  # was taken for a pipeline of GStreamer
def test_no_password_is_shown_whatever_is_in_it(scheme: str, user: str, password: str) -> None:
    address = parse_address(f"{scheme}://{user}:{password}@camera.example/stream")
    said = address.hide(f"{address.text}: cannot be opened; {password} was refused")
    for shown in (address.name, repr(address), str(address), said):
        assert "Qzx" not in shown
        assert "wkJ" not in shown
    assert "camera.example" in address.name
