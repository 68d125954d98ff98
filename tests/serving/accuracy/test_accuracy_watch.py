"""The service estimates the accuracy of each model on each view, and tells when frames begin and cease to drift."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from grounds import write_grounds, write_stripes
from prometheus_client.parser import text_string_to_metric_families
from serving.running import MODELS, ask, running
from taught_models import taught_grounds
from waiting import until

from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.accuracy.watch import AccuracyWatch, WatchedAccuracy
from edgecnn.serving.engine.events import DriftChanged, Event, ViewsChanged
from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.view import View, ViewDecisions
from edgecnn.serving.running import RunningService

KEY = StateKey("door", "main")
GAUGES = ("edgecnn_expected_accuracy_ratio", "edgecnn_expected_accuracy_lower_ratio")
GAUGES += ("edgecnn_expected_accuracy_upper_ratio", "edgecnn_drift_alarm")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught_grounds(tmp_path_factory)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grounds(tmp_path_factory.mktemp("clean"), 30, first_seed=20000)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stripes(tmp_path_factory.mktemp("others"), 60)


def images_of(folder: Path) -> list[np.ndarray]:
    """In an order in which the classes alternate."""
    return [cv2.imread(str(path)) for path in sorted(folder.rglob("*.png"), key=lambda path: path.name)]


class Watched:
    """A watch that hears the decisions of a view, at a clock of its own."""

    def __init__(self, file: Path, gives_features: bool = True) -> None:
        self.model = ServedModel("main", self.loaded(file, gives_features))
        self.now_s = 0.0
        self.published: list[Event] = []
        self.watch = AccuracyWatch({"main": self.model}, self.published.append, lambda: self.now_s)
        self.decisions = ViewDecisions(View("door"), [self.model], FrameQualityThresholds(), None)
        self._numbers = count(1)

    @staticmethod
    def loaded(file: Path, gives_features: bool = True) -> LoadedModel:
        classifier = Classifier(file)
        classifier.gives_features = gives_features
        return LoadedModel.of(classifier, file)

    def see(self, images: list[np.ndarray], step_s: float = 10.0) -> None:
        for image in images:
            for decided in self.decisions.frame(Frame(image, "door"), next(self._numbers)):
                self.watch.hear(decided)
            self.now_s += step_s

    @property
    def known(self) -> WatchedAccuracy:
        return self.watch.all()[KEY]


def test_frames_as_taught_have_an_accuracy_and_no_alarm(taught: Path, clean: Path) -> None:
    watched = Watched(taught)
    images = images_of(clean)
    watched.see(images[:15])
    assert watched.known.estimate.expected_top1 is None
    assert watched.known.reason == "15 different scenes are too few: at least 20 are needed"
    watched.see(images[15:])
    found = watched.known
    assert (found.alarm_or_none, found.estimate.scenes, found.reason) == (False, 60, None)
    assert found.estimate.interval is not None
    assert found.estimate.interval[0] > 0.5
    assert watched.published == []


def test_the_alarm_begins_with_other_frames_and_ends_when_they_are_gone(
    taught: Path, clean: Path, others: Path, tmp_path: Path
) -> None:
    watched = Watched(taught)
    watched.see(images_of(clean))
    watched.see(images_of(others))
    (begun,) = watched.published
    assert isinstance(begun, DriftChanged)
    assert (begun.view, begun.source, begun.region, begun.model, begun.alarm) == ("door", "door", None, "main", True)
    assert begun.reason
    assert watched.known.alarm_or_none is True
    assert watched.known.estimate.expected_top1 is None
    fresh = images_of(write_grounds(tmp_path, 250, first_seed=40000))
    for start in range(0, len(fresh), 20):
        watched.see(fresh[start : start + 20])
        if len(watched.published) > 1:
            break
    ended = watched.published[-1]
    assert isinstance(ended, DriftChanged)
    assert (ended.alarm, ended.reason) == (False, None)
    assert len(watched.published) == 2
    assert watched.known.alarm_or_none is False


@pytest.mark.parametrize(("step_s", "counted"), [(0.05, 15), (0.25, 30), (2.0, 60), (60.0, 300)])
def test_one_frame_a_second_counts_and_of_slow_ones_every_tenth(
    taught: Path, clean: Path, step_s: float, counted: int
) -> None:
    watched = Watched(taught)
    watched.see(images_of(clean) * 5, step_s)
    assert watched.known.estimate.frames == counted


def test_a_camera_that_shows_one_thing_has_seen_one_scene(taught: Path, clean: Path) -> None:
    watched = Watched(taught)
    watched.see([images_of(clean)[0]] * 50)
    found = watched.known
    assert (found.estimate.frames, found.estimate.scenes) == (50, 1)
    assert found.estimate.expected_top1 is None


def test_frames_without_a_decision_and_outages_do_not_count(taught: Path, clean: Path) -> None:
    watched = Watched(taught)
    image = images_of(clean)[0]
    decided = next(watched.decisions.frame(Frame(image, "door"), 1, changed="view changed: covered"))
    watched.watch.hear(decided)
    assert watched.watch.all() == {}
    taken = next(watched.decisions.frame(Frame(image, "door"), 2))
    watched.watch.hear(taken.without_frame())
    assert watched.watch.all() == {}
    watched.watch.hear(taken)
    assert set(watched.watch.all()) == {KEY}


def test_another_model_begins_anew_and_ends_the_alarm(taught: Path, clean: Path, others: Path) -> None:
    watched = Watched(taught)
    watched.see(images_of(others))
    assert watched.known.alarm
    watched.model.replace(Watched.loaded(MODELS / "tiny.int8.onnx"))
    watched.see(images_of(clean)[:5])
    assert watched.known.estimate.frames == 5
    assert watched.known.model_sha256 == watched.model.current.sha256
    assert [(event.alarm, event.reason) for event in watched.published if isinstance(event, DriftChanged)][1:] == [
        (False, "another model serves")
    ]


def test_answers_without_features_do_not_pass_for_features_that_have_not_moved(taught: Path, clean: Path) -> None:
    watched = Watched(taught, gives_features=False)
    watched.see(images_of(clean))
    assert watched.known.estimate.shift is None
    assert watched.known.alarm_or_none is None


def test_regions_that_are_gone_are_forgotten(taught: Path, clean: Path) -> None:
    watched = Watched(taught)
    watched.see(images_of(clean)[:1])
    watched.watch.hear(ViewsChanged("other", ("other.left",), "now"))
    assert set(watched.watch.all()) == {KEY}
    watched.watch.hear(ViewsChanged("door", ("door.left",), "now"))
    assert watched.watch.all() == {}


# The whole service


def of_folder(folder: Path) -> dict[str, str]:
    return {"name": "door", "address": f"loop:{folder}@60"}


@pytest.fixture
def drifting(taught: Path, others: Path, tmp_path: Path) -> Iterator[RunningService]:
    with running(tmp_path, models=[{"file": taught}], sources=[of_folder(others)]) as service:
        service.service.accuracy._interval_s = 0.0
        yield service


def accuracy_of(service: RunningService) -> dict[str, object]:
    found = ask(f"{service.url}/api/state").json["accuracy"]
    return found[0] if found else {}


def gauges(service: RunningService) -> dict[str, float]:
    families = text_string_to_metric_families(ask(f"{service.url}/metrics").content.decode())
    rows = [sample for family in families for sample in family.samples if sample.name in GAUGES]
    assert all(row.labels == {"source": "door", "model": "main"} for row in rows)
    return {row.name: row.value for row in rows}


def test_state_and_metrics_tell_the_accuracy(taught: Path, clean: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for number, image in enumerate(images_of(clean)):
        cv2.imwrite(str(mixed / f"{number:03}.png"), image)
    with running(tmp_path, models=[{"file": taught}], sources=[of_folder(mixed)]) as service:
        service.service.accuracy._interval_s = 0.0
        until(lambda: accuracy_of(service).get("scenes") == 60)
        found = until(lambda: accuracy_of(service))
        told = gauges(service)
    assert (found["view"], found["source"], found["region"], found["model"]) == ("door", "door", None, "main")
    assert (found["alarm"], found["reason"], found["since"]) == (False, None, None)
    low, high = found["interval"]  # type: ignore[misc]
    assert told == {
        "edgecnn_expected_accuracy_ratio": pytest.approx(found["expected_top1"], abs=1e-3),
        "edgecnn_expected_accuracy_lower_ratio": pytest.approx(low, abs=1e-2),
        "edgecnn_expected_accuracy_upper_ratio": pytest.approx(high, abs=1e-2),
        "edgecnn_drift_alarm": 0.0,
    }


def test_an_alarm_is_in_state_metrics_and_events(drifting: RunningService) -> None:
    until(lambda: accuracy_of(drifting).get("alarm"))
    found, told = accuracy_of(drifting), gauges(drifting)
    assert found["expected_top1"] is None
    assert found["since"]
    assert told.keys() == set(GAUGES) - {"edgecnn_expected_accuracy_ratio"}
    assert told["edgecnn_drift_alarm"] == 1.0
    events = ask(f"{drifting.url}/api/state").json["events"]
    (event,) = [event for event in events if event["kind"] == "drift"]
    assert (event["view"], event["model"], event["alarm"]) == ("door", "main", True)
    assert event["reason"]


def test_nothing_is_told_where_nothing_is_known(taught: Path, tmp_path: Path) -> None:
    with running(
        tmp_path, models=[{"file": taught}], sources=[{"name": "door", "address": "fake:64x48@30"}]
    ) as service:
        until(lambda: accuracy_of(service))
        told = gauges(service)
    assert "edgecnn_expected_accuracy_ratio" not in told


def test_a_decision_that_is_kept_holds_no_outputs_of_the_model(taught: Path, clean: Path) -> None:
    decided = next(Watched(taught).decisions.frame(Frame(images_of(clean)[0], "door"), 1))
    assert decided.answer is not None
    assert decided.answer.features is not None
    assert decided.without_frame().answer is None
