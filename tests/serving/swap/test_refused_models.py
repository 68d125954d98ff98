"""Bad model files are refused with a reason, and ten swaps under load, half of them bad, fail no prediction."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from serving.classifying_clients import ClassifyingClients
from serving.running import running
from serving.swap.swap_client import FAKE, FIRST, post, serving, stored, swaps_of
from serving.swap.swap_models import admitted, bad_models, good, sha256
from waiting import until

from edgecnn.errors import ModelError
from edgecnn.runtime.admission.admission import MORE_TIME, REMEDY
from edgecnn.serving.engine.events import Decided, SwapChanged
from edgecnn.serving.swap.check import reason_of

JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


def test_every_kind_of_bad_file_is_refused_with_its_reason_and_the_old_model_serves(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service:
        for kind, (content, why) in bad_models().items():
            answer = post(service, "/api/models", content)
            assert answer.status == 422, kind
            assert why in answer.json["error"], kind
            assert "\n" not in answer.json["error"]
            assert str(tmp_path) not in answer.json["error"]
            assert serving(service) == FIRST
        assert stored(tmp_path) == set()
        refused = [e for e in service.service.log if isinstance(e, SwapChanged) and e.state == "refused"]
        assert len(refused) == len(bad_models()) - 1  # the empty one is refused before it has a hash


def test_a_model_too_slow_for_the_age_of_a_state_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, max_state_age_s=1e-6) as service:
        answer = post(service, "/api/models", admitted(good(30)))
        assert (answer.status, "one inference takes" in answer.json["error"]) == (422, True)


def test_an_unexpected_error_of_a_check_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    with running(tmp_path) as service:
        monkeypatch.setattr(service.service, "open_model", fail)
        answer = post(service, "/api/models", admitted(good(31)))
        assert answer.status == 422
        assert answer.json["error"] == "unexpected error: RuntimeError; the log has more"
        assert serving(service) == FIRST


def test_a_reason_names_no_option_that_the_service_lacks() -> None:
    file = Path("/state/models/main/abc.onnx")
    for said in (f"it is too slow; {REMEDY}, or {MORE_TIME}", f"it is too slow; {MORE_TIME}, or {REMEDY}"):
        assert reason_of(ModelError(f"{file}: refused because {said}"), file) == f"it is too slow; {REMEDY}"


def test_ten_swaps_under_load_half_of_them_bad_fail_no_prediction(tmp_path: Path) -> None:
    bad = list(bad_models().values())[1::2]
    fine = [admitted(good(40 + i)) for i in range(len(bad))]
    decided: list[Decided] = []
    with (
        running(tmp_path, sources=[FAKE], swap={"shadow_frames": 3}) as service,
        ClassifyingClients(service.url, 2, JPEG) as clients,
    ):
        service.service.hub.subscribe(lambda event: decided.append(event) if isinstance(event, Decided) else None)
        swaps = swaps_of(service)
        for new, (content, _) in zip(fine, bad, strict=True):
            assert post(service, "/api/models", content).status == 422
            assert post(service, "/api/models", new).status == 202
            until(lambda new=new: swaps.serves("main", sha256(new)))
            assert post(service, "/api/rollback").status == 200
            assert post(service, "/api/rollback").status == 200
    known = {FIRST, *map(sha256, fine)}
    assert clients.failed == []
    assert set(clients.hashes) <= known
    assert len(clients.hashes) > 20
    assert {event.prediction.model_sha256 for event in decided} <= known
    assert {event.prediction.status for event in decided} == {"ok"}
