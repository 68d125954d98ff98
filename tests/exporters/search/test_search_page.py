"""The page of a search: its plot shows all that a search may find."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from exporters.search.next_network import Limits
from exporters.search.page import write_page
from exporters.search.result import Candidate, SearchResult


def _candidate(imgsz: int, top1: float, interval: tuple[float, float], *, on_front: bool = True) -> Candidate:
    return Candidate(
        model="efficientnet_lite0",
        imgsz=imgsz,
        pruned=0.5,
        trainings=1,
        precision="int8",
        top1=top1,
        interval=interval,
        test_top1=None,
        test_interval=None,
        latency_ms=imgsz / 100,
        size_bytes=10**6,
        file=f"{imgsz}.onnx",
        checkpoint=f"{imgsz}.pt",
        on_front=on_front,
    )


def _drawn(tmp_path: Path, *candidates: Candidate) -> str:
    result = SearchResult(
        chosen=candidates[-1],
        reason="",
        against=None,
        candidates=candidates,
        untried=(),
        val_images=280,
        test_images=0,
        cpu="a processor",
        threads=1,
        repeat=(),
        seconds=1.0,
        report="",
    )
    write_page(tmp_path / "report.html", "Search", result, Limits(None, None, None))
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def _height_of(page: str, label: str) -> float:
    found = re.search(rf"<text[^>]* y=\"([\d.]+)\"[^>]*>{re.escape(label)}</text>", page)
    assert found is not None, label
    return float(found[1])


@pytest.mark.parametrize("top1", [0.0, 1.0])
def test_files_without_errors_and_without_hits_are_drawn(tmp_path: Path, top1: float) -> None:
    page = _drawn(tmp_path, _candidate(64, top1, (max(0, top1 - 0.02), min(1, top1 + 0.02))))
    assert "64 −50%" in page


def test_a_network_with_two_files_on_the_front_is_named_once(tmp_path: Path) -> None:
    quantized = _candidate(64, 0.9, (0.89, 0.91))
    plain = replace(quantized, precision="fp32", top1=0.905, latency_ms=0.8)
    assert _drawn(tmp_path, quantized, plain).count("64 −50%") == 1


def test_near_all_right_half_the_errors_are_as_far_as_they_are_lower_down(tmp_path: Path) -> None:
    """Where the candidates that matter lie, a point of accuracy is not lost in the thickness of a line."""
    steps = ((64, 0.80), (128, 0.90), (192, 0.98), (224, 0.99))
    page = _drawn(tmp_path, *(_candidate(size, top1, (top1 - 0.01, top1 + 0.005)) for size, top1 in steps))
    height = {size: _height_of(page, f"{size} −50%") for size, _ in steps}
    assert height[192] - height[224] > 0.7 * (height[64] - height[128]) > 0  # SVG counts from the top


def test_labels_do_not_lie_over_each_other_and_the_chosen_one_is_there(tmp_path: Path) -> None:
    near = _candidate(64, 0.9, (0.7, 0.99))
    chosen = replace(_candidate(80, 0.9001, (0.7, 0.99)), latency_ms=0.645)
    far = _candidate(640, 0.98, (0.7, 0.99))
    page = _drawn(tmp_path, near, far, chosen)
    assert "80 −50%" in page
    assert "64 −50%" not in page


def test_another_network_and_a_second_training_are_named_in_the_plot(tmp_path: Path) -> None:
    usual = [_candidate(size, 0.9 + size / 10_000, (0.89, 0.93)) for size in (64, 128)]
    other = replace(_candidate(260, 0.99, (0.98, 1.0)), model="efficientnet_lite2", pruned=0.0)
    again = replace(_candidate(192, 0.95, (0.94, 0.96)), trainings=2)
    page = _drawn(tmp_path, *usual, again, other)
    assert "efficientnet_lite2 260<" in page
    assert "192 −50%, twice<" in page
    assert "efficientnet_lite0 64" not in page
