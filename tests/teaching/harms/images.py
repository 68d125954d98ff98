"""What can be wrong with the images of a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import threading
import zlib

import cv2
import numpy as np
from PIL import Image  # noqa: TID251  # writes what OpenCV cannot

from harms.place import Place, harm, png, without_rights


@harm
def no_bytes(place: Place) -> None:
    place.replace_images(b"")


@harm
def text_for_images(place: Place) -> None:
    place.replace_images(
        place.random.choice([b"no image", b"<svg/>", b"%PDF-1.4", b"\0" * 999, b"GIF89a", b"\xff\xd8\xff"])
    )


@harm
def random_bytes(place: Place) -> None:
    head = place.random.choice([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x10\0\0\0WEBP", b"BM", b"II*\0"])
    place.replace_images(head + place.random.randbytes(500))


@harm
def truncated_images(place: Place) -> None:
    for path in place.random.sample(place.images(), len(place.images()) // 2):
        content = path.read_bytes()
        path.write_bytes(content[: place.random.randrange(len(content) + 1)])


@harm
def flipped_bits(place: Place) -> None:
    for path in place.random.sample(place.images(), len(place.images()) // 2):
        content = bytearray(path.read_bytes())
        for _ in range(place.random.choice([1, 9])):
            content[place.random.randrange(len(content))] ^= 1 << place.random.randrange(8)
        path.write_bytes(content)


@harm
def declared_huge(place: Place) -> None:
    side = place.random.choice([0, 1, 60_000, 2**31 - 1])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    place.replace_images(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@harm
def sizes_at_the_edge(place: Place) -> None:
    height, width = place.random.choice([(1, 1), (1, 3000), (3000, 1), (2, 2), (7, 1500)])
    place.replace_images(png(np.full((height, width, 3), 77, np.uint8)))


@harm
def other_formats(place: Place) -> None:
    values = np.random.default_rng(place.random.randrange(99)).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image = Image.fromarray(values)
    target = place.a_class()
    kinds = {
        "cmyk.jpg": image.convert("CMYK"), "grey.png": image.convert("L"), "one-bit.png": image.convert("1"),
        "palette.png": image.convert("P"), "alpha.png": image.convert("RGBA"), "grey-alpha.png": image.convert("LA"),
        "16.png": Image.fromarray((values[..., 0].astype(np.uint16)) * 257), "a.webp": image, "b.bmp": image, "c.tiff": image, "e.JPG": image,
    }  # fmt: skip
    for name, made in kinds.items():
        made.save(target / name)
    image.save(target / "animated.gif", save_all=True, append_images=[image.rotate(90), image.rotate(180)])
    image.save(target / "animated.webp", save_all=True, append_images=[image.rotate(90)])
    cv2.imwrite(str(target / "float.tiff"), values.astype(np.float32))
    cv2.imwrite(str(target / "sixteen.png"), values.astype(np.uint16) * 257)


@harm
def other_suffixes(place: Place) -> None:
    for path in place.random.sample(place.images(), len(place.images()) // 2):
        path.rename(
            path.with_suffix(place.random.choice(["", ".txt", ".PNG", ".jpg", ".onnx", ".mp4", ".heic", ". png"]))
        )


@harm
def image_of_a_strange_name(place: Place) -> None:
    folder, path = os.fsencode(place.a_class()), place.an_image()
    for name in (
        b"new\nline.png",
        b"\xff.png",
        b"-.png",
        b"x" * 250 + b".png",
        b" .png",
        b"\x1b[2J.png",
        "ü🟦.png".encode(),
    ):
        if path.is_file() and place.random.random() < 0.5:
            shutil.copy(path, folder + b"/" + name)
            with open(folder + b"/" + name, "ab") as file:
                file.write(name)  # not byte-identical


@harm
def folder_named_like_an_image(place: Place) -> None:
    (place.a_class() / "a.jpg").mkdir(exist_ok=True)


@harm
def special_files(place: Place) -> None:
    folder = place.a_class()
    with contextlib.suppress(OSError):
        os.mkfifo(folder / "pipe.png")
        (folder / "zero.png").symlink_to("/dev/zero")
        (folder / "tty.png").symlink_to("/dev/tty")
        (folder / "memory.png").symlink_to("/proc/self/mem")
        (folder / "maps.jpg").symlink_to("/proc/self/maps")
        short = place.root / "s"  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(short))
        short.rename(folder / "socket.png")


@harm
def linked_images(place: Place) -> None:
    folder, path = place.a_class(), place.an_image()
    targets = [path, "nowhere.png", "../..", "loop.png", "/etc/passwd", path.parent]
    (folder / "loop.png").symlink_to(place.random.choice(targets))


@harm
def denied_images(place: Place) -> None:
    for path in place.random.sample(place.images(), min(len(place.images()), place.random.choice([1, 100]))):
        path.chmod(0)
    place.before.append(without_rights)


@harm
def one_image_under_two_labels(place: Place) -> None:
    path = place.an_image()
    for folder in place.classes():
        if path.is_file():
            with contextlib.suppress(OSError):
                shutil.copy(path, folder / "copy.png")


@harm
def near_copies(place: Place) -> None:
    path, folder = place.an_image(), place.a_class()
    image = cv2.imread(str(path)) if path.is_file() else None
    for i in range(100):
        if image is not None:
            cv2.imwrite(str(folder / f"near{i}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 1 + i])


@harm
def near_copies_under_two_labels(place: Place) -> None:
    path = place.an_image()
    image = cv2.imread(str(path)) if path.is_file() else None
    for i, folder in enumerate(place.classes()):
        if image is not None:
            cv2.imwrite(str(folder / "near.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 80 + i])


@harm
def blank_images(place: Place) -> None:
    """Also those for which the network of `nan.onnx` gives no numbers."""
    grey = place.random.choice([0, 0, 128, 255])
    for i, path in enumerate(sorted(place.a_class().iterdir())):
        if path.is_file() and not path.is_symlink() and path.suffix == ".png":
            path.write_bytes(png(np.full((40 + i, 40, 3), grey, np.uint8)))


@harm
def some_black_images(place: Place) -> None:
    place.replace_images(png(np.zeros((48, 48, 3), np.uint8)))
    place.model = place.model.with_name("nan.onnx")


@harm
def black_class(place: Place) -> None:
    for i, path in enumerate(p for p in sorted(place.a_class().iterdir()) if p.is_file() and not p.is_symlink()):
        path.write_bytes(png(np.zeros((40 + i, 41, 3), np.uint8)))
    place.model = place.model.with_name("nan.onnx")


@harm
def changing_while_read(place: Place) -> None:
    victims, random = place.images(), place.random
    content = victims[0].read_bytes() if victims else b"x"

    def change() -> None:
        for path in random.sample(victims, len(victims)):
            with contextlib.suppress(OSError):
                path.write_bytes(content[: random.randrange(len(content) + 1)])
                path.unlink()
        with contextlib.suppress(OSError):
            shutil.rmtree(place.data)

    place.before.append(lambda: threading.Timer(random.choice([0.02, 0.1, 0.3]), change).start())
