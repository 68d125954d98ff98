"""A label becomes the name of a folder, or is refused in one line."""

from __future__ import annotations

import pytest

from edgecnn.errors import UsageError
from edgecnn.serving.collect.labels import check_label

HOSTILE = [
    "",
    "   ",
    "../x",
    "..",
    ".",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "<script>",
    'a"b',
    "a|b",
    "C:",
    "a" * 300,
    "猫" * 65,
    "CON",
    "con.jpg",
    "Lpt1",
    "a\nb",
    "a\x00b",
    "a\u202eb",
    "a\u200bb",
    "\ud800",
    ".hidden",
    "a.",
    "__MACOSX",
    "runs",
    "test",
    "Train",
    "validation",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_what_is_no_folder_name_is_refused_in_one_line(label: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_label(label, (), ())
    message = str(refused.value)
    assert message.startswith("label ")
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 200


@pytest.mark.parametrize(
    "label", ["cat", "Hauskatze", "große Schraube", "猫", "кошка", "naïve", "a.b", "M8 x 40", "don't", "#1"]
)
def test_letters_of_every_script_are_labels(label: str) -> None:
    assert check_label(label, (), ()) == label


def test_a_known_class_keeps_its_own_form() -> None:
    assert check_label(" CAT ", (), ("cat", "dog")) == "cat"
    assert check_label("cafe\u0301", ("café",), ()) == "café"  # as macOS composes it
    assert check_label("Cat", ("cat", "CAT"), ()) == "Cat"  # which of the two is open


def test_a_model_may_know_a_class_that_is_called_like_a_split() -> None:
    assert check_label("train", ("bus",), ("bus", "train")) == "train"


def test_names_that_would_be_splits_together_are_refused() -> None:
    with pytest.raises(UsageError, match="would take this folder for a split"):
        check_label("left_test", ("left_train",), ())
