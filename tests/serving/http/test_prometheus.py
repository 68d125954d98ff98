"""``/metrics``: what Prometheus reads, and what counting costs the threads that decide."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry
from serving.running import MODELS, ask, running
from waiting import until

from edgecnn.runtime.decision import LatencyMs, Prediction
from edgecnn.serving.engine.events import Decided, SwapChanged
from edgecnn.serving.http.metrics.decisions import DecisionMetrics
from edgecnn.serving.http.metrics.reasons import KINDS, reason_kind

FAKE = {"name": "door", "address": "fake:320x240@30"}
CONTRACT = {
    "edgecnn_frames_total": {"source", "model", "status", "reason"},
    "edgecnn_inference_seconds_count": {"source", "model"},
    "edgecnn_frame_age_seconds": {"source"},
    "edgecnn_source_up": {"source"},
    "edgecnn_source_reconnects_total": {"source"},
    "edgecnn_model_swaps_total": {"result"},
}


def samples(text: str) -> list:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def values(text: str, name: str) -> dict[tuple[str, ...], float]:
    """By the values of the labels, in the order of the contract."""
    order = ("source", "model", "status", "reason", "result")
    return {tuple(s.labels[k] for k in order if k in s.labels): s.value for s in samples(text) if s.name == name}


def prediction(**changes: object) -> Prediction:
    made = Prediction(
        "door",
        1,
        "2026-01-01T00:00:00.000Z",
        None,
        1.0,
        "ok",
        None,
        "a",
        0,
        0.9,
        (),
        LatencyMs(1, 1, 3.0, 5),
        "cpu",
        "f" * 64,
    )
    return replace(made, **changes)


def decided(**changes: object) -> Decided:
    return Decided("door", "door", None, "main", prediction(**changes), False, None, 1)


def test_the_metrics_of_the_contract_are_there_with_their_labels(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service:
        url = f"{service.url}/metrics"
        until(lambda: values(ask(url).content.decode(), "edgecnn_inference_seconds_count"))
        answer = ask(url)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer.content.decode())
    for name, labels in CONTRACT.items():
        rows = [s for s in found if s.name == name]
        assert rows, name
        assert all(s.labels.keys() == labels for s in rows), name
    names = {s.name for s in found}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= names
    assert not any(name.endswith("_created") for name in names)
    bounds = [float(s.labels["le"]) for s in found if s.name == "edgecnn_inference_seconds_bucket"]
    assert (bounds[0], bounds[-2], bounds[-1]) == (0.001, 2.5, float("inf"))


def test_openmetrics_is_given_to_a_client_that_asks_for_it(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service:
        answer = ask(f"{service.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "edgecnn_source_up" in {family.name for family in parse_openmetrics(answer.content.decode())}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_metrics(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service:
        content = ask(f"{service.url}/metrics").content
    checked = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=content, capture_output=True, timeout=20
    )
    assert checked.returncode == 0, checked.stderr.decode()


def test_a_source_that_is_away_is_down_and_counted(tmp_path: Path) -> None:
    with running(tmp_path, sources=[{"name": "door", "address": "http://127.0.0.1:9/none"}]) as service:
        url = f"{service.url}/metrics"
        until(lambda: values(ask(url).content.decode(), "edgecnn_frames_total"))
        text = ask(url).content.decode()
    assert values(text, "edgecnn_source_up") == {("door",): 0.0}
    assert set(values(text, "edgecnn_frames_total")) == {("door", "main", "no_decision", "offline")}
    assert not values(text, "edgecnn_frame_age_seconds")  # no frame has come, so none has an age


def test_a_region_counts_under_the_name_of_its_view(tmp_path: Path) -> None:
    regions = [{"name": "left", "roi": "0,0,0.5,1"}, {"name": "right", "roi": "0.5,0,0.5,1"}]
    with running(tmp_path, sources=[{**FAKE, "regions": regions}]) as service:
        url = f"{service.url}/metrics"
        found = until(lambda: values(ask(url).content.decode(), "edgecnn_inference_seconds_count"))
        assert {source for source, _ in found} <= {"door.left", "door.right"}
        assert set(values(ask(url).content.decode(), "edgecnn_source_up")) == {("door",)}


def test_a_swap_replaces_the_row_of_its_model(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        model = service.service.first_model
        before = model.current
        model.replace(service.service.open_model("main", MODELS / "tiny.int8.onnx"))
        service.service.hub.publish(SwapChanged("main", "1", "accepted", model.current.sha256, None, "now"))
        text = ask(f"{service.url}/metrics").content.decode()
    rows = [s.labels for s in samples(text) if s.name == "edgecnn_model_info"]
    assert [(row["model"], row["sha256"], row["precision"]) for row in rows] == [("main", model.current.sha256, "int8")]
    assert before.sha256 not in text
    ended = values(text, "edgecnn_model_swaps_total")
    assert ended == {("accepted",): 1.0, ("refused",): 0.0, ("superseded",): 0.0, ("rolled_back",): 0.0}


def test_the_agreement_of_a_shadow_is_shown_while_it_runs(tmp_path: Path) -> None:
    class Shadow:
        agreement = 0.75

        def watch(self, *_: object) -> None:
            raise AssertionError("there is no source")

    with running(tmp_path) as service:
        url = f"{service.url}/metrics"
        assert not values(ask(url).content.decode(), "edgecnn_shadow_agreement_ratio")
        service.service.first_model.shadow = Shadow()
        assert values(ask(url).content.decode(), "edgecnn_shadow_agreement_ratio") == {("main",): 0.75}


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        ("ok", None, ""),
        ("unknown", "score 0.41 is below the threshold 0.62", "below the threshold"),
        ("unknown", "unknown score 1.234 is above the threshold 1.000", "unknown score"),
        ("unknown", "'dog: a' (0.91) is more probable than every allowed label", "label not allowed"),
        ("no_decision", "too old: captured 3.1 s ago, at most 2 s is allowed", "too old"),
        ("no_decision", "black: 99.9% of it below level 20 of 255", "black"),
        ("no_decision", "frozen: the same image for 9.1 s, less than 5 s is expected", "frozen"),
        ("no_decision", "offline: connection refused; retry in 2 s", "offline"),
        ("no_decision", "invalid output: a probability is nan", "invalid output"),
        ("no_decision", "view changed: 12 pixels to the right", "view changed"),
        ("no_decision", "smoothing: 'dog' has not lasted 2 s yet", "smoothing"),
        ("no_decision", "something that nobody has thought of: 12", "other"),
        ("error", "model.onnx: cpu failed on 1 images", "model failed"),
    ],
)
def test_a_reason_has_one_of_few_kinds(status, reason, kind) -> None:
    assert reason_kind(status, reason) == kind
    assert kind in KINDS


def test_reasons_with_numbers_make_no_new_series() -> None:
    registry = CollectorRegistry()
    metrics = DecisionMetrics(registry)
    for i in range(1000):
        reason = f"black: {i / 10:.1f}% of it below level 20 of 255"
        metrics.hear(decided(status="no_decision", reason=reason, label=None, index=None, score=None))
    (frames,) = [f for f in registry.collect() if f.name == "edgecnn_frames"]
    assert [(s.labels["reason"], s.value) for s in frames.samples] == [("black", 1000.0)]


def test_counting_a_decision_takes_microseconds() -> None:
    metrics = DecisionMetrics(CollectorRegistry())
    event = decided()
    metrics.hear(event)
    best_s = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(2000):
            metrics.hear(event)
        best_s = min(best_s, (time.process_time() - start) / 2000)
    start = time.process_time()
    for _ in range(2000):
        json.dumps({"source": "door", "values": [1, 2, 3]})  # how quick this machine is
    unit_s = (time.process_time() - start) / 2000
    assert best_s < max(20e-6, 10 * unit_s), f"{best_s * 1e6:.1f} us"
