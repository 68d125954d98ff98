"""Stands in for what swaps models and collects frames, so that the page's panels can be driven alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import cv2
from shapes import CLASSES, shape_image
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.endpoint import Endpoint

SERVING = {
    "sha256": "1" * 64,
    "file": "serving.onnx",
    "size_bytes": 2_600_000,
    "labels": list(CLASSES),
    "precision": "int8",
    "ep": "cpu",
    "loaded_at": "2026-11-28T12:00:00.000Z",
}
PREVIOUS = {**SERVING, "sha256": "2" * 64, "file": "previous.onnx"}
SHADOW_SHA = "3" * 64


NOTHING_TAUGHT = {
    "model": "main",
    "running": None,
    "last": None,
    "labelled": {},
    "moments": {},
    "missing": {},
    "ready": False,
    "why_not": "no collected frame has a label yet; label some first",
    "ready_to_replace": False,
    "why_not_replace": "no collected frame has a label yet; label some first",
}


@dataclass
class StandIn:
    """A part of the service with made-up models and collected frames. ``asked`` keeps the changes."""

    collecting: bool = True
    frames: list[dict[str, Any]] = field(default_factory=list)
    shadow: dict[str, Any] | None = None
    previous: dict[str, Any] | None = field(default_factory=lambda: PREVIOUS)
    serving: dict[str, Any] = field(default_factory=lambda: SERVING)
    last: dict[str, Any] | None = None
    teaching: dict[str, Any] = field(default_factory=lambda: NOTHING_TAUGHT)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint("/api/models", self._models, "read"),
            Endpoint("/api/models", self._upload, "change", "POST"),
            Endpoint("/api/models/accept", self._take, "change", "POST"),
            Endpoint("/api/models/reject", self._take, "change", "POST"),
            Endpoint("/api/rollback", self._take, "change", "POST"),
            Endpoint("/api/models/shadow/{id}/images/{number}", self._image, "read"),
            Endpoint("/api/collect", self._collected, "read"),
            Endpoint("/api/collect/label", self._label, "change", "POST"),
            Endpoint("/api/collect/discard", self._discard, "change", "POST"),
            Endpoint("/api/collect/{id}/image", self._image, "read"),
            Endpoint("/api/collect/{id}/replay", self._replay, "change", "POST"),
            Endpoint("/api/teach", self._teach, "read"),
            Endpoint("/api/teach", self._take, "change", "POST"),
            Endpoint("/api/teach/cancel", self._take, "change", "POST"),
            Endpoint("/api/teach/next", self._next, "read"),
        )

    def start(self) -> None:
        """Nothing runs."""

    def stop(self) -> None:
        """Nothing runs."""

    def collect(self, count: int, group_of: int = 1) -> None:
        """Collects frames; so many in a row are near-duplicates."""
        for at in range(count):
            label = CLASSES[at // 2 % 2]
            score = 0.51 + at / 100
            top = [{"label": label, "score": score}, {"label": CLASSES[1 - at // 2 % 2], "score": 1 - score}]
            self.frames.append(
                {
                    "id": f"f{at}",
                    "source": "door",
                    "view": "door",
                    "model": "main",
                    "captured_at": f"2026-11-28T12:00:{at:02d}.000Z",
                    "reason": "uncertain",
                    "status": "ok",
                    "label": label,
                    "score": score,
                    "top": top,
                    "group": f"f{at // group_of * group_of}",
                    "given_label": None,
                }
            )

    def try_model(self) -> None:
        """Puts a model into the shadow that differs on one frame."""
        self.shadow = {
            "id": "s1",
            "sha256": SHADOW_SHA,
            "file": "new.onnx",
            "labels": list(CLASSES),
            "state": "waiting",
            "frames": 50,
            "wanted_frames": 50,
            "agreement": 0.98,
            "min_agreement": 0.8,
            "mode": "confirm",
            "differing": [
                {
                    "number": 7,
                    "view": "door",
                    "captured_at": "2026-11-28T12:00:00.000Z",
                    "serving": {"label": "circle", "status": "ok", "score": 0.6},
                    "shadow": {"label": None, "status": "unknown", "score": None},
                    "image": "/api/models/shadow/s1/images/0",
                }
            ],
        }

    async def _models(self, request: Request) -> Response:
        model = {"name": "main", "serving": self.serving, "previous": self.previous, "shadow": self.shadow}
        return answer({"models": [{**model, "last": self.last}]})

    async def _upload(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append(("/api/models", (request.query_params.get("model"), body)))
        if not body.startswith(b"\x08"):
            return refusal(400, "upload: not an ONNX file")
        self.try_model()
        return answer({"id": "s1", "sha256": SHADOW_SHA, "model": "main"}, 202)

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append((request.url.path, json.loads(body) if body else None))
        if request.url.path.endswith("accept"):
            self.previous, self.serving = self.serving, {**self.serving, "sha256": SHADOW_SHA, "file": "new.onnx"}
        elif request.url.path.endswith("rollback") and self.previous is not None:
            self.serving, self.previous = self.previous, self.serving
        self.shadow = None
        return answer({})

    async def _teach(self, request: Request) -> Response:
        return answer(self.teaching)

    async def _next(self, request: Request) -> Response:
        """The frames, the oldest first."""
        named = [{**frame, "why": "uncertain"} for frame in self.frames]
        return answer(
            {"running": False, "at": "now", "reason": None, "new": 0, "frames": named, "total": len(named), "bytes": 9}
        )

    async def _image(self, request: Request) -> Response:
        seed = sum(request.path_params.get("id", "").encode())
        done, content = cv2.imencode(".jpg", shape_image(CLASSES[seed % 2], seed, 96))
        assert done
        return Response(content.tobytes(), media_type="image/jpeg")

    async def _collected(self, request: Request) -> Response:
        first, limit = int(request.query_params.get("offset", 0)), int(request.query_params["limit"])
        shown = self.frames[first : first + limit]
        record = {"on": self.collecting, "frames": shown, "labels": [*CLASSES], "total": len(self.frames)}
        return answer({**record, "bytes": 12_000 * len(self.frames)})

    async def _label(self, request: Request) -> Response:
        given = await request.json()
        self.asked.append((request.url.path, given))
        for frame in self.frames:
            if frame["id"] in given["ids"]:
                frame["given_label"] = given["label"]
        return answer({"labelled": len(given["ids"])})

    async def _discard(self, request: Request) -> Response:
        given = await request.json()
        self.asked.append((request.url.path, given))
        self.frames = [frame for frame in self.frames if frame["id"] not in given["ids"]]
        return answer({"discarded": len(given["ids"])})

    async def _replay(self, request: Request) -> Response:
        top = [{"label": "square", "score": 0.97}, {"label": "circle", "score": 0.03}]
        said = {"status": "ok", "reason": None, "label": "square", "score": 0.97, "top": top}
        prediction = {**said, "model_sha256": SHADOW_SHA}
        return answer({"answers": [{"which": "serving", "model": "main", "prediction": prediction}]})
