"""What can be wrong with a folder of labelled images, or with the place where a taught model is written.

Each harm changes one :class:`Place` that was good before; several can be combined.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import socket
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import cv2
import numpy as np
from PIL import Image  # noqa: TID251  # writes what OpenCV cannot

__all__ = ["HARMS", "LARGE_HARMS", "Place"]


@dataclass
class Place:
    """A run of ``edgecnn teach`` in a folder of its own. Harms change nothing outside of it: no harm follows a link, and
    ``data`` is always the folder that was made, whatever is given to the command."""

    root: Path
    data: Path  # in ``root``: the classes `dark`, `light` and perhaps `stripes`
    given: Path  # what the command gets as --data
    out: Path
    model: Path
    options: list[str]
    before: list[Callable[[], object]] = field(default_factory=list)  # done in the process of the run, before it
    mounts: list[Path] = field(default_factory=list)
    random: Random = field(default_factory=Random)

    def classes(self) -> list[Path]:
        """Those that lie in ``root``, without links."""
        if not self.data.is_dir() or self.data.is_symlink():
            return []
        return sorted(path for path in self.data.iterdir() if path.is_dir() and not path.is_symlink())

    def a_class(self) -> Path:
        own = self.classes()
        if not own:
            own = [self.data / "dark"]
            own[0].mkdir(parents=True, exist_ok=True)
        return self.random.choice(own)

    def images(self) -> list[Path]:
        below = (
            Path(folder) / name for folder, _, names in os.walk(self.data) for name in names if name.endswith(".png")
        )
        return sorted(path for path in below if path.is_file() and not path.is_symlink())

    def an_image(self) -> Path:
        found = self.images()
        return self.random.choice(found) if found else self.a_class() / "1.png"

    def replace_images(self, content: bytes, suffix: str = ".png") -> None:
        """A few images, or all of one class."""
        found = self.random.sample(self.images(), min(len(self.images()), self.random.choice((1, 3, 12))))
        for path in found:
            path.unlink()
            path.with_suffix(suffix).write_bytes(content)

    def remove_data(self) -> None:
        if self.data.is_dir():  # opening a pipe would wait for a writer
            shutil.rmtree(self.data)
        else:
            self.data.unlink(missing_ok=True)

    def move_data(self, name: str | bytes) -> None:
        """Gives the folder another name."""
        self.data = self.given = self.data.rename(self.root / os.fsdecode(name))


Harm = Callable[[Place], object]
HARMS: dict[str, Harm] = {}
LARGE_HARMS: dict[str, Harm] = {}
"""Take seconds each."""


def _harm(harm: Harm) -> Harm:
    HARMS[harm.__name__] = harm
    return harm


def _large(harm: Harm) -> Harm:
    LARGE_HARMS[harm.__name__] = harm
    return harm


# The folder


@_harm
def no_folder(place: Place) -> None:
    place.remove_data()


@_harm
def empty_folder(place: Place) -> None:
    place.remove_data()
    place.data.mkdir()


@_harm
def file_for_folder(place: Place) -> None:
    place.remove_data()
    place.data.write_text("cat, dog")


@_harm
def fifo_for_folder(place: Place) -> None:
    place.remove_data()
    os.mkfifo(place.data)


@_harm
def device_for_folder(place: Place) -> None:
    place.given = Path(place.random.choice(["/dev/null", "/dev/zero", "/proc/self/mem"]))


@_harm
def loop_for_folder(place: Place) -> None:
    place.given = place.root / "loop"
    place.given.symlink_to("loop")


@_harm
def broken_link_for_folder(place: Place) -> None:
    place.given = place.root / "broken"
    place.given.symlink_to("nowhere")


@_harm
def link_for_folder(place: Place) -> None:
    (place.root / "link").symlink_to(place.data)
    place.given = place.root / "link"


@_harm
def folder_by_dots(place: Place) -> None:
    place.given = place.data / ".." / place.data.name / "."


@_harm
def folder_of_no_name(place: Place) -> None:
    place.given = Path(place.random.choice(["", " ", "\n", "-", "--", "a" * 300, "/".join("a" * 3000)]))


@_harm
def folder_of_a_strange_name(place: Place) -> None:
    names = ["new\nline", "\x1b[31mred", "-v", "ü 🟦", b"\xff\xfe", "a;b", "'quote\"", "%s {0} \\", "x" * 250, "..."]
    place.move_data(place.random.choice(names))


@_harm
def one_class_given_for_all(place: Place) -> None:
    place.given = place.a_class()


@_harm
def an_image_given_for_all(place: Place) -> None:
    place.given = place.an_image()


@_harm
def one_level_too_high(place: Place) -> None:
    (place.root / "above").mkdir()
    place.data.rename(place.root / "above" / "data")
    place.given = place.root / "above"
    place.data = place.given / "data"


@_harm
def denied_folder(place: Place) -> None:
    place.data.chmod(place.random.choice([0, 0o400, 0o100, 0o200]))
    place.before.append(_without_rights)


# Classes


@_harm
def one_class(place: Place) -> None:
    for folder in place.classes()[1:]:
        shutil.rmtree(folder)


@_harm
def empty_class(place: Place) -> None:
    (place.data / "empty").mkdir()


@_harm
def few_images(place: Place) -> None:
    for path in sorted(place.a_class().iterdir())[place.random.choice([0, 1, 4]) :]:
        path.unlink() if not path.is_dir() else shutil.rmtree(path)


@_harm
def class_of_a_strange_name(place: Place) -> None:
    names = [
        "n" * 255, "new\nline", "tab\there", "\x1b[2J", "ü" * 120, "🐈‍⬛", "مرحبا", "…", "a.b.c", "...", "-rf", "--help", "CON", "nul",
        "aux.txt", "Dark", "DARK", " dark", "dark ", "unknown", "__proto__", "null", "0", "-1", "NaN", "<b>x</b>", '"', "'", "\\", "%n%s",
        "{}", "$(id)", "train", "Test", "val", "data", "cat;dog", "a,b", "e\u0301", "é", "\u202egnp", b"\xff\xfe", "\x7f", "runs", "weights",
    ]  # fmt: skip
    chosen = place.random.choice(names)
    folder = place.a_class()
    with contextlib.suppress(OSError):
        folder.rename(folder.with_name(os.fsdecode(chosen)))


@_harm
def same_name_by_case(place: Place) -> None:
    shutil.copytree(place.a_class(), place.data / "Dark", symlinks=True, dirs_exist_ok=True)


@_harm
def hidden_class(place: Place) -> None:
    folder = place.a_class()
    folder.rename(folder.with_name(f".{folder.name}"))


@_harm
def class_is_a_link(place: Place) -> None:
    targets = [".", "..", "/", "dark", "light", "nowhere", "itself", "/dev", "/proc/self/fd", "../outside"]
    name = "itself"
    (place.root / "outside").mkdir(exist_ok=True)
    (place.data / name).symlink_to(place.random.choice(targets))


@_harm
def denied_class(place: Place) -> None:
    place.a_class().chmod(0)
    place.before.append(_without_rights)


@_harm
def many_classes(place: Place) -> None:
    image = place.an_image().read_bytes()
    for i in range(300):
        (place.data / f"class{i}").mkdir()
        (place.data / f"class{i}" / "1.png").write_bytes(image)


@_harm
def deep_folders(place: Place) -> None:
    folder = place.a_class()
    for _ in range(place.random.choice([3, 40, 300])):
        folder /= "d"
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "deep.png"), np.full((48, 48, 3), 99, np.uint8))


# Splits


@_harm
def split_folders(place: Place) -> None:
    _into_splits(place, ["train", "val", "test"])


@_harm
def test_split_alone(place: Place) -> None:
    _into_splits(place, [place.random.choice(["test", "Testing", "val"])])


@_harm
def classes_in_another_split(place: Place) -> None:
    _into_splits(place, ["train"])
    (place.data / "val" / "nothing-of-training").mkdir(parents=True)
    cv2.imwrite(str(place.data / "val" / "nothing-of-training" / "1.png"), np.full((9, 9, 3), 1, np.uint8))


@_harm
def splits_in_classes(place: Place) -> None:
    for folder in place.classes():
        for i, path in enumerate(sorted(folder.iterdir())):
            split = folder / ("train", "test")[i % 2]
            split.mkdir(exist_ok=True)
            path.rename(split / path.name)


@_harm
def images_beside_classes(place: Place) -> None:
    path = place.an_image()
    if path.is_file():
        shutil.copy(path, place.data / "loose.png")


@_harm
def no_class_folders(place: Place) -> None:
    for folder in place.classes():
        for path in folder.iterdir():
            if path.is_file():
                path.rename(place.data / f"{folder.name}-{path.name}")
        with contextlib.suppress(OSError):
            folder.rmdir()


# Images


@_harm
def no_bytes(place: Place) -> None:
    place.replace_images(b"")


@_harm
def text_for_images(place: Place) -> None:
    place.replace_images(
        place.random.choice([b"no image", b"<svg/>", b"%PDF-1.4", b"\0" * 999, b"GIF89a", b"\xff\xd8\xff"])
    )


@_harm
def random_bytes(place: Place) -> None:
    head = place.random.choice([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x10\0\0\0WEBP", b"BM", b"II*\0"])
    place.replace_images(head + place.random.randbytes(500))


@_harm
def truncated_images(place: Place) -> None:
    for path in place.random.sample(place.images(), len(place.images()) // 2):
        content = path.read_bytes()
        path.write_bytes(content[: place.random.randrange(len(content) + 1)])


@_harm
def flipped_bits(place: Place) -> None:
    for path in place.random.sample(place.images(), len(place.images()) // 2):
        content = bytearray(path.read_bytes())
        for _ in range(place.random.choice([1, 9])):
            content[place.random.randrange(len(content))] ^= 1 << place.random.randrange(8)
        path.write_bytes(content)


@_harm
def declared_huge(place: Place) -> None:
    side = place.random.choice([0, 1, 60_000, 2**31 - 1])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    place.replace_images(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@_harm
def sizes_at_the_edge(place: Place) -> None:
    height, width = place.random.choice([(1, 1), (1, 3000), (3000, 1), (2, 2), (7, 1500)])
    place.replace_images(_png(np.full((height, width, 3), 77, np.uint8)))


@_harm
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


@_harm
def other_suffixes(place: Place) -> None:
    for path in place.random.sample(place.images(), len(place.images()) // 2):
        path.rename(
            path.with_suffix(place.random.choice(["", ".txt", ".PNG", ".jpg", ".onnx", ".mp4", ".heic", ". png"]))
        )


@_harm
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


@_harm
def folder_named_like_an_image(place: Place) -> None:
    (place.a_class() / "a.jpg").mkdir(exist_ok=True)


@_harm
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


@_harm
def linked_images(place: Place) -> None:
    folder, path = place.a_class(), place.an_image()
    targets = [path, "nowhere.png", "../..", "loop.png", "/etc/passwd", path.parent]
    (folder / "loop.png").symlink_to(place.random.choice(targets))


@_harm
def denied_images(place: Place) -> None:
    for path in place.random.sample(place.images(), min(len(place.images()), place.random.choice([1, 100]))):
        path.chmod(0)
    place.before.append(_without_rights)


@_harm
def one_image_under_two_labels(place: Place) -> None:
    path = place.an_image()
    for folder in place.classes():
        if path.is_file():
            with contextlib.suppress(OSError):
                shutil.copy(path, folder / "copy.png")


@_harm
def near_copies(place: Place) -> None:
    path, folder = place.an_image(), place.a_class()
    image = cv2.imread(str(path)) if path.is_file() else None
    for i in range(100):
        if image is not None:
            cv2.imwrite(str(folder / f"near{i}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 1 + i])


@_harm
def near_copies_under_two_labels(place: Place) -> None:
    path = place.an_image()
    image = cv2.imread(str(path)) if path.is_file() else None
    for i, folder in enumerate(place.classes()):
        if image is not None:
            cv2.imwrite(str(folder / "near.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 80 + i])


@_harm
def blank_images(place: Place) -> None:
    """Also those for which the network of `nan.onnx` gives no numbers."""
    grey = place.random.choice([0, 0, 128, 255])
    for i, path in enumerate(sorted(place.a_class().iterdir())):
        if path.is_file() and not path.is_symlink() and path.suffix == ".png":
            path.write_bytes(_png(np.full((40 + i, 40, 3), grey, np.uint8)))


@_harm
def some_black_images(place: Place) -> None:
    place.replace_images(_png(np.zeros((48, 48, 3), np.uint8)))
    place.model = place.model.with_name("nan.onnx")


@_harm
def black_class(place: Place) -> None:
    for i, path in enumerate(p for p in sorted(place.a_class().iterdir()) if p.is_file() and not p.is_symlink()):
        path.write_bytes(_png(np.zeros((40 + i, 41, 3), np.uint8)))
    place.model = place.model.with_name("nan.onnx")


@_harm
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


# The output


@_harm
def out_is_a_folder(place: Place) -> None:
    place.out.mkdir(exist_ok=True)


@_harm
def out_is_the_model(place: Place) -> None:
    own = place.root / "own.onnx"
    shutil.copy(place.model, own)
    place.model = own
    kind = place.random.choice(["itself", "symbolic", "hard", "dots"])
    place.out = place.root / "same.onnx"
    if kind == "symbolic":
        place.out.symlink_to(own)
    elif kind == "hard":
        place.out.hardlink_to(own)
    else:
        place.out = own if kind == "itself" else place.root / "." / ".." / place.root.name / "own.onnx"


@_harm
def out_in_the_data(place: Place) -> None:
    place.out = place.a_class() / "taught.onnx"


@_harm
def out_is_an_image(place: Place) -> None:
    place.out = place.an_image()


@_harm
def out_is_a_link_to_an_image(place: Place) -> None:
    place.out = place.root / "link.onnx"
    place.out.symlink_to(place.an_image())


@_harm
def out_is_the_data(place: Place) -> None:
    place.out = place.given


@_harm
def out_of_a_strange_name(place: Place) -> None:
    names = [
        "n" * 255 + ".onnx",
        "new\nline.onnx",
        "-o",
        "ü.onnx",
        "..",
        ".",
        "\x1b[2J",
        "a/b/c/out.onnx",
        os.fsdecode(b"\xff"),
    ]
    place.out = place.root / place.random.choice(names)


@_harm
def out_below_a_file(place: Place) -> None:
    (place.root / "file").write_text("x")
    place.out = place.root / "file" / "out.onnx"


@_harm
def out_is_a_device(place: Place) -> None:
    place.out = Path(place.random.choice(["/dev/null", "/dev/full", "/proc/out.onnx", "/proc/self/out.onnx"]))


@_harm
def out_exists(place: Place) -> None:
    if not place.out.exists():
        place.out.write_bytes(b"the old file")


@_harm
def out_is_a_broken_link(place: Place) -> None:
    place.out = place.root / "broken.onnx"
    place.out.symlink_to(place.random.choice(["nowhere.onnx", "no/folder.onnx", "broken.onnx"]))


@_harm
def out_may_not_be_written(place: Place) -> None:
    place.out = place.root / "locked" / "out.onnx"
    place.out.parent.mkdir(mode=0o500)
    place.before.append(_without_rights)


@_harm
def files_may_not_grow(place: Place) -> None:
    """As on a full disk, after the first bytes."""
    limit = place.random.choice([4_999, 9_999])
    place.before.append(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))


@_harm
def full_disk(place: Place) -> None:
    """Of one page, where this may mount one."""
    folder = place.root / "full"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode == 0:
        place.mounts.append(folder)
        place.out = folder / "out.onnx"
        place.out.write_bytes(b"the old file")
    else:
        files_may_not_grow(place)


@_harm
def few_open_files(place: Place) -> None:
    limit = place.random.choice([32, 40, 64])
    place.before.append(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))


# The options


@_harm
def strange_options(place: Place) -> None:
    kinds = [
        ["--max-drop", "nan"], ["--max-drop", "-1"], ["--max-drop", "x"], ["--max-drop", "inf"], ["--seed", "-1"], ["--seed", str(2**80)],
        ["--group", "("], ["--group", "folder"], ["--group", "x"], ["--group", "(.*)"], ["--group", "nowhere.csv:a"], ["--group", ""],
        ["--group", "(x"], ["--max-megapixels", "0"], ["--max-megapixels", "nan"], ["--max-megapixels", "-5"], ["--max-megapixels", "1e-9"],
        ["--max-megapixels", "1e300"], ["--replace"], ["--nonsense"], ["--max-drop", "0"], ["--max-drop", "1"],
    ]  # fmt: skip
    place.options += place.random.choice(kinds)


@_harm
def strange_table_of_sessions(place: Place) -> None:
    table = place.root / "sessions.csv"
    table.write_bytes(
        place.random.choice(
            [b"", b"path,day\n", b"\xff\xff,day\n", b"path,day\n\0,\0\n", b"path\n" + b'"' * 99_999, b"a,b\n1\n"]
        )
    )
    place.options += ["--group", f"{table}:day"]


# Large ones


@_large
def thousands_of_classes(place: Place) -> None:
    _noise_classes(place, 3000)


@_large
def hundreds_of_classes(place: Place) -> None:
    _noise_classes(place, 300)


def _noise_classes(place: Place, count: int) -> None:
    random = np.random.default_rng(1)
    for i in range(count):
        (place.data / f"c{i}").mkdir()
        for k in range(5):
            (place.data / f"c{i}" / f"{k}.png").write_bytes(_png(random.integers(0, 256, (32, 32, 3)).astype(np.uint8)))


@_large
def thousands_of_near_copies(place: Place) -> None:
    path, folder = place.an_image(), place.a_class()
    image = cv2.imread(str(path)).astype(np.int16)
    for i in range(3000):
        changed = np.clip(image + i % 60 - 30 + np.eye(*image.shape[:2], dtype=np.int16)[..., None] * (i // 60), 0, 255)
        cv2.imwrite(str(folder / f"near{i}.png"), changed.astype(np.uint8))


@_large
def largest_images(place: Place) -> None:
    content = _png(np.full((8000, 8000, 3), 99, np.uint8))
    for i in range(6):
        (place.a_class() / f"large{i}.png").write_bytes(content + bytes([i]))


@_large
def too_large_images(place: Place) -> None:
    content = _png(np.full((9000, 9000, 3), 99, np.uint8))
    for i in range(6):
        (place.a_class() / f"large{i}.png").write_bytes(content + bytes([i]))


def _into_splits(place: Place, splits: list[str]) -> None:
    for folder in place.classes():
        for i, path in enumerate(sorted(folder.iterdir())):
            target = place.data / splits[i % len(splits)] / folder.name
            target.mkdir(parents=True, exist_ok=True)
            path.rename(target / path.name)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _png(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", image)
    assert done
    return data.tobytes()


def _without_rights() -> None:
    """Gives up root's right to read and write whatever the permissions are (capset(2))."""
    header = struct.pack("Ii", 0x20080522, 0)
    ctypes.CDLL(None, use_errno=True).capset(header, struct.pack("6I", *[0] * 6))
