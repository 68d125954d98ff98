"""What can be wrong with the folder that is given, with its classes and its splits."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from harms.place import Place, harm, without_rights


@harm
def no_folder(place: Place) -> None:
    place.remove_data()


@harm
def empty_folder(place: Place) -> None:
    place.remove_data()
    place.data.mkdir()


@harm
def file_for_folder(place: Place) -> None:
    place.remove_data()
    place.data.write_text("cat, dog")


@harm
def fifo_for_folder(place: Place) -> None:
    place.remove_data()
    os.mkfifo(place.data)


@harm
def device_for_folder(place: Place) -> None:
    place.given = Path(place.random.choice(["/dev/null", "/dev/zero", "/proc/self/mem"]))


@harm
def loop_for_folder(place: Place) -> None:
    place.given = place.root / "loop"
    place.given.symlink_to("loop")


@harm
def broken_link_for_folder(place: Place) -> None:
    place.given = place.root / "broken"
    place.given.symlink_to("nowhere")


@harm
def link_for_folder(place: Place) -> None:
    (place.root / "link").symlink_to(place.data)
    place.given = place.root / "link"


@harm
def folder_by_dots(place: Place) -> None:
    place.given = place.data / ".." / place.data.name / "."


@harm
def folder_of_no_name(place: Place) -> None:
    place.given = Path(place.random.choice(["", " ", "\n", "-", "--", "a" * 300, "/".join("a" * 3000)]))


@harm
def folder_of_a_strange_name(place: Place) -> None:
    names = ["new\nline", "\x1b[31mred", "-v", "ü 🟦", b"\xff\xfe", "a;b", "'quote\"", "%s {0} \\", "x" * 250, "..."]
    place.move_data(place.random.choice(names))


@harm
def one_class_given_for_all(place: Place) -> None:
    place.given = place.a_class()


@harm
def an_image_given_for_all(place: Place) -> None:
    place.given = place.an_image()


@harm
def one_level_too_high(place: Place) -> None:
    (place.root / "above").mkdir()
    place.data.rename(place.root / "above" / "data")
    place.given = place.root / "above"
    place.data = place.given / "data"


@harm
def denied_folder(place: Place) -> None:
    place.data.chmod(place.random.choice([0, 0o400, 0o100, 0o200]))
    place.before.append(without_rights)


# Classes


@harm
def one_class(place: Place) -> None:
    for folder in place.classes()[1:]:
        shutil.rmtree(folder)


@harm
def empty_class(place: Place) -> None:
    (place.data / "empty").mkdir()


@harm
def few_images(place: Place) -> None:
    for path in sorted(place.a_class().iterdir())[place.random.choice([0, 1, 4]) :]:
        path.unlink() if not path.is_dir() else shutil.rmtree(path)


@harm
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


@harm
def same_name_by_case(place: Place) -> None:
    shutil.copytree(place.a_class(), place.data / "Dark", symlinks=True, dirs_exist_ok=True)


@harm
def hidden_class(place: Place) -> None:
    folder = place.a_class()
    folder.rename(folder.with_name(f".{folder.name}"))


@harm
def class_is_a_link(place: Place) -> None:
    targets = [".", "..", "/", "dark", "light", "nowhere", "itself", "/dev", "/proc/self/fd", "../outside"]
    name = "itself"
    (place.root / "outside").mkdir(exist_ok=True)
    (place.data / name).symlink_to(place.random.choice(targets))


@harm
def denied_class(place: Place) -> None:
    place.a_class().chmod(0)
    place.before.append(without_rights)


@harm
def many_classes(place: Place) -> None:
    image = place.an_image().read_bytes()
    for i in range(300):
        (place.data / f"class{i}").mkdir()
        (place.data / f"class{i}" / "1.png").write_bytes(image)


@harm
def deep_folders(place: Place) -> None:
    folder = place.a_class()
    for _ in range(place.random.choice([3, 40, 300])):
        folder /= "d"
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "deep.png"), np.full((48, 48, 3), 99, np.uint8))


# Splits


@harm
def split_folders(place: Place) -> None:
    _into_splits(place, ["train", "val", "test"])


@harm
def test_split_alone(place: Place) -> None:
    _into_splits(place, [place.random.choice(["test", "Testing", "val"])])


@harm
def classes_in_another_split(place: Place) -> None:
    _into_splits(place, ["train"])
    (place.data / "val" / "nothing-of-training").mkdir(parents=True)
    cv2.imwrite(str(place.data / "val" / "nothing-of-training" / "1.png"), np.full((9, 9, 3), 1, np.uint8))


@harm
def splits_in_classes(place: Place) -> None:
    for folder in place.classes():
        for i, path in enumerate(sorted(folder.iterdir())):
            split = folder / ("train", "test")[i % 2]
            split.mkdir(exist_ok=True)
            path.rename(split / path.name)


@harm
def images_beside_classes(place: Place) -> None:
    path = place.an_image()
    if path.is_file():
        shutil.copy(path, place.data / "loose.png")


@harm
def no_class_folders(place: Place) -> None:
    for folder in place.classes():
        for path in folder.iterdir():
            if path.is_file():
                path.rename(place.data / f"{folder.name}-{path.name}")
        with contextlib.suppress(OSError):
            folder.rmdir()


def _into_splits(place: Place, splits: list[str]) -> None:
    for folder in place.classes():
        for i, path in enumerate(sorted(folder.iterdir())):
            target = place.data / splits[i % len(splits)] / folder.name
            target.mkdir(parents=True, exist_ok=True)
            path.rename(target / path.name)
        with contextlib.suppress(OSError):
            folder.rmdir()
