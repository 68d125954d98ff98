"""Image files of a folder are answered side by side: with the answers, the order and the errors of one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn import Classifier
from edgecnn.runtime.streaming import image_files


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "allowed_threads", lambda: 2)


def told(classifier: Classifier, folder: Path, **options: object) -> list[tuple[str, int | None, str, object]]:
    return [(p.source, p.frame, p.status, p.top) for _, p in classifier.stream(folder, **options)]


@pytest.mark.usefixtures("two_cores")
def test_the_answers_are_those_of_one_by_one_in_order_with_errors_in_their_place(
    tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    for index, path in enumerate(sorted(shapes.rglob("*.png"))[:20]):
        (tmp_path / f"{index:02}.png").write_bytes(path.read_bytes() if index != 7 else b"")
    with Classifier(tiny_model, ep="cpu", threads=1) as one, Classifier(tiny_model, ep="cpu") as several:
        assert one.single_threaded() is None
        assert several.single_threaded() is not None
        expected = told(one, tmp_path)
        assert told(several, tmp_path) == expected
        assert expected[7][2] == "error"
        assert [frame for _, frame, *_ in expected] == list(range(20))
        assert told(several, tmp_path, every=3, max_frames=4) == told(one, tmp_path, every=3, max_frames=4)
        assert told(several, tmp_path, region=None, batch=4) == expected


@pytest.mark.usefixtures("two_cores")
def test_what_the_caller_changes_later_holds_too(tiny_model: Path, shapes: Path) -> None:
    with Classifier(tiny_model, ep="cpu") as classifier:
        assert {status for *_, status, _ in told(classifier, shapes)} == {"ok"}
        classifier.threshold = 1.1
        assert {status for *_, status, _ in told(classifier, shapes)} == {"unknown"}


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"another")])
def test_a_file_that_has_changed_is_not_opened_again(
    change: Callable[[Path], object], tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_model.read_bytes())
    with Classifier(path, ep="cpu") as classifier:
        expected = [classifier(image).top for image in sorted(shapes.rglob("*.png"))]
        change(path)
        assert classifier.single_threaded() is None
        assert [top for *_, top in told(classifier, shapes)] == expected


@pytest.mark.usefixtures("two_cores")
def test_several_threads_share_one_session_and_give_what_it_gives_alone(tiny_model: Path, shapes: Path) -> None:
    with Classifier(tiny_model, ep="cpu") as classifier:
        first, second = classifier.single_threaded(), classifier.single_threaded()
        assert first is not None
        assert second is not None
        assert first.session is second.session
        assert first.session is not classifier.session
        row = classifier.fitted([min(shapes.rglob("*.png"))])
        np.testing.assert_allclose(first.session.probabilities(row), classifier.session.probabilities(row), atol=1e-6)


def test_few_files_open_no_second_session(tiny_model: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "allowed_threads", lambda: 2)
    with Classifier(tiny_model, ep="cpu") as classifier:
        monkeypatch.setattr(classifier, "single_threaded", lambda: pytest.fail("opened"))
        assert len(told(classifier, min(shapes.rglob("*.png")))) == 1
