"""Collected frames are listed, shown, labelled, discarded and replayed over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from serving.collect.made_frames import as_body, files, write_scenes
from serving.running import TINY, Answer, ask, running
from waiting import until

from edgecnn.data.dataset import scan_folder, select_eval_images
from edgecnn.runtime.classifier import Classifier
from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.running import RunningService

SCENES = 24


@dataclass
class Collected:
    """A service that has collected frames, and has stopped to."""

    service: RunningService
    folder: Path

    def list(self, query: str = "") -> Any:
        return ask(f"{self.service.url}/api/collect{query}").json

    def post(self, path: str, **values: Any) -> Answer:
        url = f"{self.service.url}/api/collect/{path}"
        return ask(url, method="POST", body=as_body(**values), token=self.service.token)


def collector(service: RunningService) -> CollectPart:
    return next(part for part in service._parts if isinstance(part, CollectPart))


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    """Frames of images that are unlike each other, each seen about twice."""
    folder = tmp_path_factory.mktemp("collected")
    source = {"name": "door", "address": f"loop:{write_scenes(folder / 'scenes', SCENES)}@50"}
    settings = {"dir": folder / "frames", "uncertain_below": 1.0, "min_interval_s": 0}
    with running(folder, sources=[source], collect=settings) as service:
        made = Collected(service, folder / "frames")
        until(lambda: len({frame["group"] for frame in made.list()["frames"]}) >= 20)
        until(lambda: made.list()["total"] > SCENES)
        service.service.stop()
        until(lambda: collector(service).writer.waiting == 0)
        yield made


def test_the_listing_says_what_each_frame_is(collected: Collected) -> None:
    listing = collected.list("?limit=1000")
    assert listing["on"]
    assert listing["problem"] is None
    assert listing["labels"][:2] == list(Classifier(TINY).labels)
    assert listing["bytes"] == sum(frame["size_bytes"] for frame in listing["frames"]) > 0
    assert listing["bytes"] == listing["unlabelled_bytes"] < listing["max_bytes"]
    frame = listing["frames"][0]
    assert (frame["source"], frame["view"], frame["model"], frame["given_label"]) == ("door", "door", "main", None)
    assert frame["reason"] in ("uncertain", "unknown", "changed")
    assert frame["model_sha256"] == Classifier(TINY).session.sha256
    assert len(frame["top"]) == 2
    assert frame["captured_at"].endswith("Z")
    numbers = [frame["number"] for frame in listing["frames"]]
    assert numbers == sorted(numbers, reverse=True)
    assert collected.list("?offset=1&limit=2")["frames"] == listing["frames"][1:3]
    assert collected.list("?source=nobody")["total"] == 0


def test_copies_of_one_moment_are_of_one_group(collected: Collected) -> None:
    frames = collected.list("?limit=1000")["frames"]
    groups = {frame["group"] for frame in frames}
    assert len(groups) <= SCENES < len(frames)
    assert groups <= {frame["id"] for frame in frames}


def test_the_image_is_the_views_own_pixels(collected: Collected) -> None:
    frame = collected.list()["frames"][0]
    answer = ask(f"{collected.service.url}/api/collect/{frame['id']}/image")
    assert answer.headers["content-type"] == "image/png"  # small frames are stored without a loss
    shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    originals = [cv2.imread(str(path)) for path in (collected.folder.parent / "scenes").iterdir()]
    assert any(np.array_equal(shown, original) for original in originals)


def test_a_frame_is_answered_by_every_model(collected: Collected, tiny_int8_model: Path) -> None:
    served = collected.service.service.first_model
    serving, previous = served.current, LoadedModel.of(Classifier(tiny_int8_model), tiny_int8_model)

    class Shadow:
        loaded = previous

        def watch(self, *_: object) -> None: ...

    frame = collected.list()["frames"][0]
    served.keep_previous(previous)
    served.shadow = Shadow()
    try:
        answers = collected.post(f"{frame['id']}/replay").json["answers"]
    finally:
        served.keep_previous(None)
        served.shadow = None
    assert [(a["which"], a["model"]) for a in answers] == [
        ("serving", "main"),
        ("previous", "main"),
        ("shadow", "main"),
    ]
    assert [a["prediction"]["model_sha256"] for a in answers] == [serving.sha256, previous.sha256, previous.sha256]
    # The stored image is the frame itself, so the model that serves answers as it did
    assert answers[0]["prediction"]["top"][0]["label"] == frame["top"][0]["label"]
    assert answers[0]["prediction"]["top"][0]["score"] == pytest.approx(frame["top"][0]["score"], abs=1e-5)


@pytest.mark.parametrize("label", ["../x", "<script>", "", "l" * 300, "CON", "a/b", None, 3, ["cat"]])
def test_a_hostile_label_is_refused_and_nothing_moves(collected: Collected, label: object) -> None:
    before = files(collected.folder)
    answer = collected.post("label", ids=[collected.list()["frames"][0]["id"]], label=label)
    assert answer.status in (400, 422)
    assert "label" in answer.json["error"]
    assert files(collected.folder) == before


@pytest.mark.parametrize("frame_id", ["..", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "x", "%00", "../records/age-clock"])
@pytest.mark.parametrize("what", ["image", "replay"])
def test_an_id_is_looked_up_and_never_a_path(collected: Collected, frame_id: str, what: str) -> None:
    method = "POST" if what == "replay" else "GET"
    answer = ask(f"{collected.service.url}/api/collect/{frame_id}/{what}", method=method)
    assert answer.status in (404, 405)
    assert "root" not in answer.content.decode()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 10_000, b'{"ids": "x"}', b'{"ids": []}', b'{"ids": [1]}'])
@pytest.mark.parametrize("path", ["label", "discard"])
def test_a_body_that_cannot_be_used_is_refused(collected: Collected, path: str, body: bytes) -> None:
    url = f"{collected.service.url}/api/collect/{path}"
    answer = ask(url, method="POST", body=body, token=collected.service.token)
    assert answer.status == 400
    assert answer.json["error"]


@pytest.mark.parametrize("query", ["offset=-1", "limit=x", "limit=1e9", "offset=99999999999999999999"])
def test_a_page_that_cannot_be_is_refused(collected: Collected, query: str) -> None:
    assert ask(f"{collected.service.url}/api/collect?{query}").status == 400


@pytest.mark.parametrize("path", ["label", "discard"])
def test_nothing_changes_without_the_token(collected: Collected, path: str) -> None:
    body = as_body(ids=[collected.list()["frames"][0]["id"]], label="circle")
    before = files(collected.folder)
    assert ask(f"{collected.service.url}/api/collect/{path}", method="POST", body=body).status == 401
    assert files(collected.folder) == before


def test_ids_that_are_unknown_are_told(collected: Collected) -> None:
    assert collected.post("label", ids=["../../x", "gone"], label="circle").json["missing"] == 2
    assert collected.post("discard", ids=["../../x", "gone"]).json == {"discarded": 0}


def test_twenty_frames_are_labelled_at_once_and_are_a_dataset(collected: Collected) -> None:
    """Last: it changes the frames."""
    one_of_each = list({frame["group"]: frame["id"] for frame in collected.list("?limit=1000")["frames"]}.values())
    first = collected.post("label", ids=one_of_each[:20], label="Circle")
    assert first.json == {"labelled": 20, "groups": 20, "missing": 0, "label": "circle"}
    second = collected.post("label", ids=one_of_each[10:20], label="square")
    assert second.json["labelled"] == 10
    labelled = [f for f in collected.list("?limit=1000")["frames"] if f["given_label"]]
    assert sorted(f["given_label"] for f in labelled) == ["circle"] * 10 + ["square"] * 10
    gone = labelled[0]["id"]
    assert collected.post("discard", ids=[gone]).json == {"discarded": 1}
    assert ask(f"{collected.service.url}/api/collect/{gone}/image").status == 404

    dataset = collected.folder / "labelled"
    folder = scan_folder(dataset)
    assert folder.class_names == ("circle", "square")
    assert (len(folder.images), folder.left_out) == (19, ())
    chosen = select_eval_images(dataset, Classifier(TINY).manifest, None)
    assert (len(chosen.paths), chosen.left_out) == (19, ())


def test_a_new_label_is_listed_from_then_on(collected: Collected) -> None:
    frame = collected.list()["frames"][0]["id"]
    assert collected.post("label", ids=[frame], label="ñandú 猫").json["label"] == "ñandú 猫"
    assert "ñandú 猫" in collected.list()["labels"]
    assert collected.post("discard", ids=[frame]).json == {"discarded": 1}
    assert "ñandú 猫" not in collected.list()["labels"]


def test_regions_of_several_models_are_collected_as_they_are_seen(tmp_path: Path, tiny_int8_model: Path) -> None:
    """The int8 model rejects everything, so the two never agree."""
    source = {"name": "door", "address": "fake:64x48@30", "regions": [{"name": "left", "roi": "0,0,0.5,1"}]}
    models = [{"name": "one", "file": TINY, "threshold": 0}, {"name": "two", "file": tiny_int8_model, "threshold": 1.1}]
    settings = {"dir": tmp_path / "frames", "when": ["disagreement"], "min_interval_s": 0}
    with running(tmp_path, sources=[source], models=models, collect=settings) as service:
        made = Collected(service, tmp_path / "frames")
        frame = until(made.list)["frames"] or until(lambda: made.list()["frames"])
        assert (frame[0]["view"], frame[0]["model"], frame[0]["reason"]) == ("door.left", "one", "disagreement")
        assert [(o["model"], o["status"]) for o in frame[0]["others"]] == [("two", "unknown")]
        content = ask(f"{service.url}/api/collect/{frame[0]['id']}/image").content
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == (48, 32, 3)


def test_a_shadow_that_disagrees_is_collected(tmp_path: Path) -> None:
    settings = {"dir": tmp_path / "frames", "when": ["disagreement"]}
    with running(tmp_path, sources=[{"name": "door", "address": "fake:64x48@30"}], collect=settings) as service:
        made = Collected(service, tmp_path / "frames")
        frame = until(lambda: service.service.sources["door"].image.frame)
        classifier = service.service.first_model.current.classifier
        answer = classifier.answer([frame])[0].prediction
        collector(service).disagreed(frame, "door", "main", answer, answer)
        kept = until(lambda: made.list()["frames"])[0]
        assert (kept["reason"], kept["others"][0]["model"]) == ("disagreement", "shadow")


def test_off_by_default_and_then_nothing_is_written(tmp_path: Path) -> None:
    with running(tmp_path, sources=[{"name": "door", "address": "fake:64x48@30"}]) as service:
        made = Collected(service, tmp_path)
        until(lambda: service.service.sources["door"].status().frames > 5)
        listing = made.list()
        assert (listing["on"], listing["frames"], listing["total"], listing["bytes"]) == (False, [], 0, 0)
        assert made.post("label", ids=["x"], label="circle").status == 409
        assert made.post("discard", ids=["x"]).status == 409
        assert ask(f"{service.url}/api/collect/x/image").status == 409
    assert {Path(name).suffix for name in files(tmp_path)} <= {"", ".json"}
    assert files(tmp_path) == {"state/token"}


def test_frames_outlive_a_restart_and_join_their_groups(tmp_path: Path) -> None:
    source = {"name": "door", "address": f"loop:{write_scenes(tmp_path / 'scenes', 3)}@50"}
    settings = {"dir": tmp_path / "frames", "uncertain_below": 1.0, "min_interval_s": 0}
    for run in range(2):
        with running(tmp_path, sources=[source], collect=settings) as service:
            made = Collected(service, tmp_path / "frames")
            before = made.list()["total"]
            assert (before > 0) == (run > 0)
            until(lambda made=made, least=before + 10: made.list()["total"] > least)
            assert len({frame["group"] for frame in made.list("?limit=1000")["frames"]}) == 3
    shutil.rmtree(tmp_path / "frames")
