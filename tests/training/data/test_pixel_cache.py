"""Pixels are kept in each size that a run needs, from one decoding, and are what `preprocess` gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.data_quality import image_stats
from edgecnn.errors import OutputError
from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.preprocess import Decoded, Image, decode_for, fit, preprocess, read_image
from edgecnn.progress import Silent
from edgecnn.training.data.load import load_training_data
from edgecnn.training.data.pixel_cache import PixelCache, PixelPlan
from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions

EXACT, LARGER, SPEC = InputSpec(24, 32), InputSpec(28, 36), PreprocessSpec(resize="letterbox", pad_value=7)


def test_rows_are_what_preprocess_gives_in_both_sizes(images: Path, tmp_path: Path) -> None:
    plan = PixelPlan(folder=tmp_path, exact=EXACT, augmented=LARGER, preprocess=SPEC)
    broken = images.parent / "with a broken one"
    for path in images.rglob("*.png"):
        (broken / path.parent.name).mkdir(parents=True, exist_ok=True)
        (broken / path.parent.name / path.name).write_bytes(path.read_bytes())
    (broken / "circle" / "0000 broken.png").write_bytes(b"")
    data = load_training_data(broken, 0.2, 0.1, 0, Silent(), 2, plan=plan)
    assert data.pixels
    assert len(data.skipped) == 1
    rows = [s.row for s in data.samples]
    exact, larger = data.pixels.exact(rows), data.pixels.augmented(rows)
    assert (len(exact), exact[:].shape, larger[:].shape) == (40, (40, 24, 32, 3), (40, 28, 36, 3))
    for i, sample in enumerate(data.samples):
        np.testing.assert_array_equal(exact[i], preprocess(sample.path, EXACT, SPEC))
        np.testing.assert_array_equal(larger[i], fit(read_image(sample.path), LARGER, SPEC))
    assert not list(tmp_path.iterdir()), "the files have no name"


def test_one_size_needs_one_file(tmp_path: Path) -> None:
    cache = PixelCache(PixelPlan(folder=tmp_path, exact=EXACT, augmented=EXACT, preprocess=SPEC), 2)
    with cache.writing():
        cache.write(1, Decoded.whole(np.full((5, 5, 3), 200, np.uint8)))
    assert np.shares_memory(cache.exact([1]).pixels, cache.augmented([1]).pixels)
    assert cache.exact([1, 0])[0].max() == 200
    assert cache.exact([1, 0])[1].max() == 0


def test_a_folder_that_cannot_be_written_is_named_with_what_it_would_hold(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="MB for decoded images cannot be written: No such file"):
        PixelCache(PixelPlan(folder=tmp_path / "none", exact=EXACT, augmented=LARGER, preprocess=SPEC), 2)


@pytest.mark.parametrize("augment", ["none", "light"])
def test_a_run_decodes_each_image_once(
    augment: str, small_options: Callable[..., TrainOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training, validation, test, split checks and the unknown score; the report's worst mistakes are shown anew."""
    seen: Counter[str] = Counter()

    def counted(data: bytes, model: ModelInput | None, name: str, max_pixels: int) -> Decoded:
        seen[name] += 1
        return decode_for(data, model, name, max_pixels)

    def refused(*_: object) -> Image:
        raise AssertionError("decoded again")

    data = tmp_path / "data"
    for name in ("dark", "light"):
        (data / name).mkdir(parents=True)
        for seed in range(110):
            noise = np.random.default_rng((name == "light", seed)).integers(0, 80, (32, 32, 3)).astype(np.uint8)
            cv2.imwrite(str(data / name / f"{seed}.png"), noise + (120 if name == "light" else 0))
    monkeypatch.setattr(image_stats, "decode_for", counted)
    monkeypatch.setattr("edgecnn.preprocess.read_image", refused)
    monkeypatch.setattr("edgecnn.training.run.finalize.find_mistakes", lambda *_: [])
    train(small_options(tmp_path / "run", data=data, epochs=1, batch=32, test_split=0.1, augment=augment))
    assert set(seen.values()) == {1}
    assert len(seen) == 220
