"""Files that state a modest size and would cost the decoder much more: refused by their headers."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from encoded_images import encoded, noise
from PIL import Image as Pil  # noqa: TID251  # writes what is read here

from edgecnn.errors import ImageError
from edgecnn.image.formats.avif_frame_size import largest_frame
from edgecnn.image.header import HeaderError, read_header
from edgecnn.preprocess import decode

PIXELS = noise(16, 16, seed=9)


def jpeg_of_scans(more: int, side: int = 16) -> bytes:
    """A progressive JPEG whose last scan comes so many times more; the sizes of its header are `side`."""
    data = encoded(PIXELS, "JPEG", progressive=True)
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    data = data[:end] + data[last:end] * more + data[end:]
    at = data.index(b"\xff\xc2") + 5
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def test_a_jpeg_of_more_scans_than_any_encoder_writes_is_refused() -> None:
    assert decode(jpeg_of_scans(0)).shape == (16, 16, 3)
    assert read_header(jpeg_of_scans(60)).width == 16
    with pytest.raises(ImageError, match=r"scans, which would take long to decode; save it as a baseline JPEG"):
        decode(jpeg_of_scans(200), "image.jpg")


def test_a_large_jpeg_may_have_fewer_scans_than_a_small_one() -> None:
    assert read_header(jpeg_of_scans(0, side=8000)).width == 8000
    with pytest.raises(HeaderError, match="scans"):
        read_header(jpeg_of_scans(60, side=8000))


def test_what_looks_like_a_codestream_in_another_box_states_no_size() -> None:
    data = encoded(PIXELS, "JPEG2000")
    decoy = b"\xff\x4f\xff\x51" + struct.pack(">HHIIIIIIII", 47, 0, 3, 3, 0, 0, 3, 3, 0, 0) + bytes(30)
    at = data.index(b"jp2c") - 4
    hidden = data[:at] + struct.pack(">I4s", 8 + len(decoy), b"uuid") + decoy + data[at:]
    assert (read_header(hidden).width, read_header(hidden).height) == (16, 16)
    assert np.array_equal(decode(hidden), decode(data))


@pytest.mark.parametrize("cut", [12, 40, 80])
def test_a_jpeg_2000_without_its_codestream_is_truncated(cut: int) -> None:
    with pytest.raises(HeaderError, match="truncated"):
        read_header(encoded(PIXELS, "JPEG2000")[:cut])


def tiff_of_tiles(side: int) -> bytes:
    """The head of a tiled TIFF of 16 x 16 pixels."""
    entries = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)


def test_tiles_much_larger_than_the_image_are_refused() -> None:
    assert read_header(tiff_of_tiles(1024)).width == 16
    with pytest.raises(HeaderError, match=r"tiles of 268,435,456 pixels in an image of 256"):
        read_header(tiff_of_tiles(16384))


def with_size(data: bytes, width: int, height: int) -> bytes:
    """An AVIF file whose boxes state another size; its frames stay as they are."""
    out = bytearray(data)
    at = 0
    while (at := data.find(b"ispe", at)) > 0:
        out[at + 8 : at + 16] = struct.pack(">II", width, height)
        at += 4
    return bytes(out)


def test_an_avif_whose_frame_is_larger_than_it_states_is_refused() -> None:
    data = encoded(Pil.new("RGB", (1250, 1000)), "AVIF", speed=10)
    assert read_header(data).width == 1250
    with pytest.raises(HeaderError, match=r"states 16 x 16 pixels and has a frame of 1,250,000 pixels"):
        read_header(with_size(data, 16, 16))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_frames_of_avif_state_their_own_size(mode: str) -> None:
    still = encoded(Pil.new(mode, (50, 30)), "AVIF", speed=10)
    assert largest_frame(still) == 1500
    frames = [Pil.new(mode, (50, 30), shade) for shade in ("red", "blue")] if mode == "RGB" else []
    if frames:
        moving = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:], speed=10)
        assert largest_frame(moving) == 1500


def test_an_item_of_an_avif_beyond_the_file_or_in_endless_parts_is_no_image() -> None:
    data = encoded(Pil.new("RGB", (50, 30)), "AVIF", speed=10)
    with pytest.raises(HeaderError):
        read_header(data[:8] + struct.pack(">I4s", 8, b"free") * 20_000 + data[8:])
    at = data.index(b"iloc")
    for end in range(at, at + 24):
        changed = data[:end] + b"\xff\xff" + data[end + 2 :]
        try:
            read_header(changed)
        except HeaderError:
            continue


@pytest.mark.parametrize(("bits", "form", "name"), [(32, 3, "float32"), (64, 3, "float64"), (32, 2, "int32")])
def test_numbers_of_a_tiff_that_are_no_levels_are_refused_before_they_are_decoded(
    bits: int, form: int, name: str
) -> None:
    entries = [(256, 16), (257, 16), (258, bits), (259, 8), (262, 1), (277, 1), (339, form)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    with pytest.raises(HeaderError, match=f"holds {name} numbers"):
        read_header(b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4))


def test_alpha_does_not_count_among_the_levels_of_a_sensor_of_few_bits() -> None:
    """An opaque image of 12 bits in a file of 16 has 65535 everywhere in its alpha."""
    import cv2

    levels = np.full((16, 16, 4), 65535, np.uint16)
    levels[..., :3] = np.random.default_rng(0).integers(0, 4096, (16, 16, 3))
    done, data = cv2.imencode(".png", levels)
    assert done
    with pytest.raises(ImageError, match="has 16 bits a channel and uses 12"):
        decode(data.tobytes(), "image.png")


def test_whole_images_of_every_kind_still_pass() -> None:
    for kind in ("JPEG", "JPEG2000", "TIFF", "PNG", "WEBP"):
        assert decode(encoded(Pil.fromarray(PIXELS), kind)).shape == (16, 16, 3)
