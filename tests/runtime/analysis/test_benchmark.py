"""`benchmark` measures the whole way from frame to answer beside the bare network."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from contract_keys import BENCHMARK
from numpy.typing import NDArray

from edgecnn.errors import ImageError, InputNotFoundError, ProviderError, UsageError
from edgecnn.preprocess import Image
from edgecnn.runtime.analysis.benchmark import BenchmarkResult, Percentiles, benchmark
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.system.cpu_features import physical_cores

QUICK = 0.1  # seconds


class Clock:
    """Goes on by itself by a microsecond a look, so that no time is nothing."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1e-6
        return self.now_s


def test_the_result_has_the_keys_of_the_contract(tiny_model: Path) -> None:
    found = benchmark(tiny_model, ep="cpu", threads=1, seconds=QUICK)
    assert tuple(BenchmarkResult.__dataclass_fields__) == (*BENCHMARK, "nodes")
    assert list(Percentiles.__dataclass_fields__) == ["p50", "p95", "p99"]
    assert (found.ep, found.threads, found.batch) == ("cpu", 1, 1)
    assert found.cpu


def test_the_figures_agree_with_one_another(tiny_model: Path) -> None:
    found = benchmark(tiny_model, threads=1, seconds=QUICK)
    assert 0 < found.latency_ms.p50 <= found.latency_ms.p95 <= found.latency_ms.p99
    assert found.overhead_ratio == pytest.approx(found.latency_ms.p50 / found.session_run_ms_p50)
    assert found.overhead_ratio > 1
    assert found.images_per_s > 0
    assert 0 < found.load_ms < 60_000
    assert found.rss_mb is None or 10 < found.rss_mb < 100_000


def test_a_batch_is_timed_a_call_and_counted_an_image(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of four images that takes 20 ms by the clock gives 200 images a second."""
    answer, clock = Classifier.batch, Clock()
    monkeypatch.setattr(time, "perf_counter", clock)

    def slow(self: Classifier, images: list[object]) -> list[Prediction]:
        clock.now_s += 0.02
        return answer(self, images)

    monkeypatch.setattr(Classifier, "batch", slow)
    found = benchmark(tiny_model, threads=1, batch=4, seconds=QUICK)
    assert found.batch == 4
    assert found.latency_ms.p50 == pytest.approx(20, rel=0.01)
    assert found.images_per_s == pytest.approx(200, rel=0.01)
    assert found.session_run_ms_p50 < found.latency_ms.p50


def test_whole_way_and_bare_network_take_turns_on_the_same_pixels(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking turns, both see the same machine; the whole way runs the network once itself."""
    events: list[str] = []
    seen: list[Image] = []
    answer, run = Classifier.batch, ModelSession._run

    def told_answer(self: Classifier, images: list[object]) -> list[Prediction]:
        events.append("whole")
        return answer(self, images)

    def told_run(self: ModelSession, names: list[str], images: Image) -> list[NDArray[np.float32]]:
        events.append("run")
        seen.append(images)
        return run(self, names, images)

    monkeypatch.setattr(Classifier, "batch", told_answer)
    monkeypatch.setattr(ModelSession, "_run", told_run)
    benchmark(tiny_model, ep="cpu", threads=1, seconds=QUICK)
    assert events == ["whole", "run", "run"] * (len(events) // 3)
    assert all(np.array_equal(images, seen[0]) for images in seen)


def test_without_threads_the_physical_cores_are_used_and_told(tiny_model: Path) -> None:
    assert benchmark(tiny_model, seconds=QUICK).threads == physical_cores()


def test_it_measures_about_as_long_as_asked(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, clock, calls = Classifier.batch, Clock(), 0
    monkeypatch.setattr(time, "perf_counter", clock)

    def counted(self: Classifier, images: list[object]) -> list[Prediction]:
        nonlocal calls
        calls += 1
        clock.now_s += 0.01
        return answer(self, images)

    monkeypatch.setattr(Classifier, "batch", counted)
    benchmark(tiny_model, threads=1, seconds=0.5)
    assert 50 <= calls < 50 + 30, "warm-up comes on top"


def test_a_source_is_decoded_each_time(tiny_model: Path, tmp_path: Path) -> None:
    """A large image makes the decoding show."""
    image = tmp_path / "large.png"
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 256, (800, 1000, 3), np.uint8))
    decoded = benchmark(tiny_model, threads=1, seconds=QUICK, source=image)
    assert decoded.latency_ms.p50 > benchmark(tiny_model, threads=1, seconds=QUICK).latency_ms.p50


def test_a_source_that_cannot_be_read_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"gone\.jpg"):
        benchmark(tiny_model, seconds=QUICK, source=tmp_path / "gone.jpg")
    (tmp_path / "no.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"no\.jpg"):
        benchmark(tiny_model, seconds=QUICK, source=tmp_path / "no.jpg")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seconds": 0.0}, "--seconds"),
        ({"seconds": -1.0}, "--seconds"),
        ({"seconds": math.nan}, "--seconds"),
        ({"seconds": math.inf}, "--seconds"),
        ({"batch": 0}, "--batch"),
        ({"threads": 0}, "--threads"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused_by_name_before_the_model_is_read(
    options: dict[str, float], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        benchmark("there-is-no.onnx", **options)  # type: ignore[arg-type]


def test_a_provider_that_is_not_here_is_an_error_not_a_slower_measurement(tiny_model: Path) -> None:
    with pytest.raises(ProviderError):
        benchmark(tiny_model, ep="xnnpack", seconds=QUICK)
