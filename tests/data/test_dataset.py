"""Folders of images: what is in them, and which of it may evaluate a model."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edgecnn.data.dataset import EvalSplit, find_images, scan_folder, select_eval_images
from edgecnn.data.split_record import SplitRecord, content_digest
from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule

MANIFEST = Manifest(
    labels=("cat", "dog", "owl"),
    input=InputSpec(8, 8),
    preprocess=PreprocessSpec(),
    normalization=Normalization(),
    unknown=UnknownRule(),
    training=TrainingRecord("m", "r", "0", None, None),
    created_by="test",
)


def laid(root: Path, *names: str) -> Path:
    """Files of these names, each with its own name as content: nothing here decodes."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.relative_to(root).as_posix().encode())
    return root


def names(root: Path, paths: tuple[Path, ...]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def record_of(root: Path, **splits: list[str]) -> SplitRecord:
    return SplitRecord.of(
        {split: [content_digest((root / name).read_bytes()) for name in found] for split, found in splits.items()}
    )


# ---- what a folder holds


def test_each_class_has_a_folder_and_classes_are_sorted_by_name(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "owl/1.jpg", "cat/2.png", "cat/10.png", "Zebra/1.png", "dog/1.JPG"))
    assert found.class_names == ("Zebra", "cat", "dog", "owl")
    assert [(p.path.relative_to(tmp_path).as_posix(), p.class_name) for p in found.images] == [
        ("Zebra/1.png", "Zebra"),
        ("cat/10.png", "cat"),
        ("cat/2.png", "cat"),
        ("dog/1.JPG", "dog"),
        ("owl/1.jpg", "owl"),
    ]
    assert not found.ready_split
    assert {p.split for p in found.images} == {None}


def test_hidden_files_and_files_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    laid(
        tmp_path,
        "cat/1.png",
        "cat/._1.png",
        "cat/.DS_Store",
        "cat/notes.txt",
        "cat/Thumbs.db",
        "cat/1.png.part",
        ".git/x.png",
        "cat/.cache/y.png",
    )
    found = scan_folder(tmp_path)
    assert names(tmp_path, tuple(p.path for p in found.images)) == ["cat/1.png"]
    assert found.class_names == ("cat",)


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "bmp", "gif", "tif", "TIFF", "ppm", "pgm", "pbm"])
def test_every_format_that_is_decoded_is_found_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    assert len(scan_folder(laid(tmp_path, f"cat/1.{suffix}")).images) == 1


def test_images_in_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "cat/monday/left/1.png", "cat/2.png"))
    assert {p.class_name for p in found.images} == {"cat"}
    assert len(found.images) == 2


def test_images_are_sorted_by_path(tmp_path: Path) -> None:
    found = list(find_images(laid(tmp_path, "b.png", "a/1.png", "c/1.png", "a.png")))
    assert found == sorted(found)


def test_a_ready_split_is_known_by_its_folders(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "train/dog/1.png", "train/cat/1.png", "val/cat/2.png", "test/dog/3.png"))
    assert found.ready_split
    assert found.class_names == ("cat", "dog")
    assert {(p.class_name, p.split) for p in found.images} == {
        ("dog", "train"),
        ("cat", "train"),
        ("cat", "val"),
        ("dog", "test"),
    }


def test_the_classes_of_a_ready_split_are_those_of_training_whatever_a_later_split_lacks_or_adds(
    tmp_path: Path,
) -> None:
    found = scan_folder(laid(tmp_path, "train/owl/1.png", "train/cat/1.png", "val/cat/2.png", "val/extra/2.png"))
    assert found.class_names == ("cat", "owl")


def test_a_split_without_training_has_the_classes_it_shows(tmp_path: Path) -> None:
    assert scan_folder(laid(tmp_path, "val/dog/1.png", "val/cat/1.png")).class_names == ("cat", "dog")


def test_a_further_folder_makes_train_and_val_classes_like_any_other(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "train/1.png", "val/1.png", "truck/1.png"))
    assert not found.ready_split
    assert found.class_names == ("train", "truck", "val")


def test_a_folder_without_folders_holds_unlabelled_images(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "1.png", "2.png"))
    assert found.class_names == ()
    assert [p.class_name for p in found.images] == [None, None]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    assert len(scan_folder(tmp_path).images) == 1


def test_a_folder_that_may_not_be_read_is_an_error_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid(tmp_path, "cat/1.png", "dog/deep/1.png")
    if os.geteuid():
        (tmp_path / "dog" / "deep").chmod(0)
    else:  # root may read everything: what the system says to others is said to us

        def scandir(path: str | Path, *, real=os.scandir):
            if Path(path).name == "deep":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"deep: cannot be listed: Permission denied"):
        scan_folder(tmp_path)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda path: None, InputNotFoundError, "no such folder"),
        (lambda path: path.write_bytes(b""), DataError, "is a file; expected a folder"),
        (lambda path: path.mkdir(), DataError, "no images"),
        (lambda path: laid(path, "cat/notes.txt"), DataError, "no images"),
    ],
    ids=["nothing there", "a file", "empty", "no images"],
)
def test_what_is_no_folder_of_images_is_refused_by_name(
    tmp_path: Path, make, error: type[Exception], words: str
) -> None:
    path = tmp_path / "given data"
    make(path)
    with pytest.raises(error, match=f"given data: .*{words}"):
        scan_folder(path)


# ---- which of it evaluates a model


def test_truth_is_the_index_in_the_model_not_in_the_folder(tmp_path: Path) -> None:
    evaluated = select_eval_images(laid(tmp_path, "owl/1.png", "dog/1.png", "dog/2.png"), MANIFEST, None)
    assert names(tmp_path, evaluated.paths) == ["dog/1.png", "dog/2.png", "owl/1.png"]
    assert evaluated.truth == (1, 1, 2)


def test_folders_may_bear_ids(tmp_path: Path) -> None:
    manifest = MANIFEST.replace(ids=("n03", "n02", "n01"))
    assert select_eval_images(laid(tmp_path, "n01/1.png", "n03/1.png", "dog/1.png"), manifest, None).truth == (1, 2, 0)


def test_a_folder_that_the_model_does_not_know_is_named_with_those_it_knows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fox.*'fox'.*cat, dog, owl"):
        select_eval_images(laid(tmp_path, "cat/1.png", "fox/1.png"), MANIFEST, None)


def test_loose_images_beside_labelled_ones_are_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        select_eval_images(laid(tmp_path, "train/cat/1.png", "val/loose.png"), MANIFEST, None)
    assert "class ''" not in str(caught.value)


def test_unlabelled_images_evaluate_nothing_but_may_calibrate(tmp_path: Path) -> None:
    laid(tmp_path, "1.png", "2.png")
    with pytest.raises(DataError, match="no labels"):
        select_eval_images(tmp_path, MANIFEST, None)
    evaluated = select_eval_images(tmp_path, MANIFEST, None, labels_needed=False)
    assert evaluated.truth is None
    assert len(evaluated.paths) == 2


def test_without_a_record_all_images_evaluate(tmp_path: Path) -> None:
    evaluated = select_eval_images(laid(tmp_path, "cat/1.png", "dog/1.png"), MANIFEST, None)
    assert (len(evaluated.paths), evaluated.held_out, evaluated.trained_on) == (2, True, ())
    assert "all 2 images" in evaluated.note


class TestTheRunsOwnData:
    """Four images trained on, two held out for validation, one for the test."""

    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        return laid(tmp_path, "cat/1.png", "cat/2.png", "cat/3.png", "cat/4.png", "dog/1.png", "dog/2.png", "dog/3.png")

    @pytest.fixture
    def record(self, own: Path) -> SplitRecord:
        return record_of(
            own,
            train=["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"],
            val=["cat/3.png", "dog/3.png"],
            test=["cat/4.png"],
        )

    @pytest.mark.parametrize(
        ("which", "expected"),
        [(None, ["cat/3.png", "dog/3.png"]), ("val", ["cat/3.png", "dog/3.png"]), ("test", ["cat/4.png"])],
    )
    def test_only_what_was_held_out_evaluates(self, own: Path, record: SplitRecord, which, expected: list[str]) -> None:
        evaluated = select_eval_images(own, MANIFEST, record, which)
        assert names(own, evaluated.paths) == expected
        assert evaluated.held_out
        assert names(own, evaluated.trained_on) == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
        assert str(len(expected)) in evaluated.note

    def test_all_is_all_and_says_how_many_were_trained_on(self, own: Path, record: SplitRecord) -> None:
        evaluated = select_eval_images(own, MANIFEST, record, "all")
        assert (len(evaluated.paths), evaluated.held_out) == (7, False)
        assert "7 images, 4 of them trained on" in evaluated.note

    def test_moved_and_renamed_images_are_known_again(
        self, own: Path, record: SplitRecord, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        elsewhere = tmp_path_factory.mktemp("moved")
        for i, path in enumerate(sorted(own.rglob("*.png"))):
            target = elsewhere / path.parent.name / f"renamed {i}.jpg"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
        evaluated = select_eval_images(elsewhere, MANIFEST, record)
        assert sorted(path.read_bytes() for path in evaluated.paths) == [b"cat/3.png", b"dog/3.png"]

    def test_new_images_beside_the_runs_own_evaluate_too(self, own: Path, record: SplitRecord) -> None:
        laid(own, "dog/new.png")
        assert names(own, select_eval_images(own, MANIFEST, record).paths) == ["cat/3.png", "dog/3.png", "dog/new.png"]

    def test_other_images_alone_all_evaluate(
        self, record: SplitRecord, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        other = laid(tmp_path_factory.mktemp("other"), "cat/a.png", "dog/b.png")
        evaluated = select_eval_images(other, MANIFEST, record)
        assert (len(evaluated.paths), evaluated.held_out) == (2, True)

    def test_where_everything_was_trained_on_nothing_is_left_and_the_way_out_is_named(self, own: Path) -> None:
        everything = record_of(own, train=[path.relative_to(own).as_posix() for path in own.rglob("*.png")])
        with pytest.raises(DataError, match=r"trained on every image.*--split all"):
            select_eval_images(own, MANIFEST, everything)
        with pytest.raises(DataError, match=r"give other images$"):  # verify and quantize have no --split
            select_eval_images(own, MANIFEST, everything, labels_needed=False)

    def test_without_validation_images_the_test_images_evaluate(self, own: Path) -> None:
        rest = [path.relative_to(own).as_posix() for path in own.rglob("*.png") if path.name != "4.png"]
        assert names(own, select_eval_images(own, MANIFEST, record_of(own, train=rest, test=["cat/4.png"])).paths) == [
            "cat/4.png"
        ]


@pytest.mark.parametrize("which", ["val", "test"])
def test_a_split_of_a_ready_split_is_taken_by_folder_where_nothing_is_remembered(tmp_path: Path, which) -> None:
    laid(tmp_path, "train/cat/1.png", "val/cat/2.png", "test/cat/3.png")
    assert {path.parent.parent.name for path in select_eval_images(tmp_path, MANIFEST, None, which).paths} == {which}


def test_a_split_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'test' contains no images"):
        select_eval_images(laid(tmp_path, "train/cat/1.png", "val/cat/2.png"), MANIFEST, None, "test")


# ---- images that came after training


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Path, SplitRecord]:
    """A ready split that a model was trained on, to which each split got an image later."""
    laid(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/cat/2.png", "test/dog/3.png")
    record = record_of(
        tmp_path, train=["train/cat/1.png", "train/dog/1.png"], val=["val/cat/2.png"], test=["test/dog/3.png"]
    )
    return laid(tmp_path, "train/cat/new.png", "val/dog/new.png", "test/cat/new.png"), record


@pytest.mark.parametrize("which", ["val", "test"])
def test_images_that_came_later_count_to_the_split_that_they_were_put_into(
    grown: tuple[Path, SplitRecord], which: EvalSplit
) -> None:
    root, record = grown
    found = select_eval_images(root, MANIFEST, record, which)
    assert len(found.paths) == 2
    assert {path.relative_to(root).parts[0] for path in found.paths} == {which}
    assert "1 of them added since training" in found.note


def test_without_a_split_named_the_validation_images_evaluate_and_the_rest_is_told(
    grown: tuple[Path, SplitRecord],
) -> None:
    root, record = grown
    found = select_eval_images(root, MANIFEST, record)
    assert names(root, found.paths) == ["val/cat/2.png", "val/dog/new.png"]
    assert "1 new ones in train" in found.note
    assert "2 in test, 1 of them new, are not among them (edgecnn val --split test)" in found.note


def test_a_test_folder_alone_is_told_to_be_left_out_where_one_image_in_it_validated(
    grown: tuple[Path, SplitRecord],
) -> None:
    root, record = grown
    (root / "val/cat/2.png").rename(root / "test/cat/moved.png")
    found = select_eval_images(root / "test", MANIFEST, record)
    assert names(root, found.paths)[0] == "test/cat/moved.png"
    assert "1 in test are not among them (edgecnn val --split test)" in found.note


def test_what_was_trained_on_stays_so_when_it_is_moved_into_test(grown: tuple[Path, SplitRecord]) -> None:
    root, record = grown
    (root / "train/cat/1.png").rename(root / "test/cat/moved.png")
    found = select_eval_images(root, MANIFEST, record, "test")
    assert "test/cat/moved.png" not in names(root, found.paths)
    assert "1 more in it are left out, since the model was trained on them" in found.note


def test_a_class_folder_may_differ_from_its_label_in_case(tmp_path: Path) -> None:
    assert select_eval_images(laid(tmp_path, "Cat/1.png", "DOG/1.png"), MANIFEST, None).truth == (0, 1)
