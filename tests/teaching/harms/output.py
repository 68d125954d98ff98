"""What can be wrong with the place where a taught model is written, and with the options."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

from harms.place import Place, harm, without_rights


@harm
def out_is_a_folder(place: Place) -> None:
    place.out.mkdir(exist_ok=True)


@harm
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


@harm
def out_in_the_data(place: Place) -> None:
    place.out = place.a_class() / "taught.onnx"


@harm
def out_is_an_image(place: Place) -> None:
    place.out = place.an_image()


@harm
def out_is_a_link_to_an_image(place: Place) -> None:
    place.out = place.root / "link.onnx"
    place.out.symlink_to(place.an_image())


@harm
def out_is_the_data(place: Place) -> None:
    place.out = place.given


@harm
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


@harm
def out_below_a_file(place: Place) -> None:
    (place.root / "file").write_text("x")
    place.out = place.root / "file" / "out.onnx"


@harm
def out_is_a_device(place: Place) -> None:
    place.out = Path(place.random.choice(["/dev/null", "/dev/full", "/proc/out.onnx", "/proc/self/out.onnx"]))


@harm
def out_exists(place: Place) -> None:
    if not place.out.exists():
        place.out.write_bytes(b"the old file")


@harm
def out_is_a_broken_link(place: Place) -> None:
    place.out = place.root / "broken.onnx"
    place.out.symlink_to(place.random.choice(["nowhere.onnx", "no/folder.onnx", "broken.onnx"]))


@harm
def out_may_not_be_written(place: Place) -> None:
    place.out = place.root / "locked" / "out.onnx"
    place.out.parent.mkdir(mode=0o500)
    place.before.append(without_rights)


@harm
def files_may_not_grow(place: Place) -> None:
    """As on a full disk, after the first bytes."""
    limit = place.random.choice([4_999, 9_999])
    place.before.append(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))


@harm
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


@harm
def few_open_files(place: Place) -> None:
    limit = place.random.choice([32, 40, 64])
    place.before.append(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))


# The options


@harm
def strange_options(place: Place) -> None:
    kinds = [
        ["--max-drop", "nan"], ["--max-drop", "-1"], ["--max-drop", "x"], ["--max-drop", "inf"], ["--seed", "-1"], ["--seed", str(2**80)],
        ["--group", "("], ["--group", "folder"], ["--group", "x"], ["--group", "(.*)"], ["--group", "nowhere.csv:a"], ["--group", ""],
        ["--group", "(x"], ["--max-megapixels", "0"], ["--max-megapixels", "nan"], ["--max-megapixels", "-5"], ["--max-megapixels", "1e-9"],
        ["--max-megapixels", "1e300"], ["--replace"], ["--nonsense"], ["--max-drop", "0"], ["--max-drop", "1"],
    ]  # fmt: skip
    place.options += place.random.choice(kinds)


@harm
def strange_table_of_sessions(place: Place) -> None:
    table = place.root / "sessions.csv"
    table.write_bytes(
        place.random.choice(
            [b"", b"path,day\n", b"\xff\xff,day\n", b"path,day\n\0,\0\n", b"path\n" + b'"' * 99_999, b"a,b\n1\n"]
        )
    )
    place.options += ["--group", f"{table}:day"]
