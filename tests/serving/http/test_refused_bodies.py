"""What a refusal says: one line, whatever the request held; and what refusing costs."""

from __future__ import annotations

import json
import logging
import tracemalloc

import pytest
from pydantic import ValidationError
from serving.running import settings_of

from edgecnn.errors import UsageError
from edgecnn.serving.http.access import AccessRules
from edgecnn.serving.http.answers import refusal
from edgecnn.serving.http.classify import ImageClassifier
from edgecnn.serving.http.protocols.tensors import read_request
from edgecnn.serving.settings.settings import RegionSettings, WebhookSettings


def test_a_reason_is_one_line_of_bounded_length_with_its_remedy() -> None:
    assert json.loads(refusal(400, "too large; send less").body) == {"error": "too large; send less"}
    told = json.loads(refusal(422, "a\nb\u2028c\ud800 " + "x" * 100_000 + "; draw it again").body)["error"]
    assert told.startswith(r"a\nb\u2028c\ud800 x")
    assert told.endswith("x; draw it again")
    assert len(told) < 1000


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "x" * 5000])
def test_a_name_of_any_characters_is_refused_in_a_short_line(name: str) -> None:
    """Of half a surrogate pair pydantic could not make an error."""
    with pytest.raises(ValidationError) as caught:
        RegionSettings(name=name, roi="0,0,1,1")
    said = caught.value.errors()[0]["msg"]
    assert len(said) < 200
    assert said.isprintable()
    with pytest.raises(ValidationError, match="is no name"):
        WebhookSettings(url="http://127.0.0.1/", sources=(name,))


def infer(data: object) -> bytes:
    tensor = {"name": "image", "shape": [1, 2, 2, 3], "datatype": "UINT8", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def test_texts_in_place_of_numbers_take_no_more_memory_than_they_are_long() -> None:
    """NumPy would give each the room of the longest: 400 MB here."""
    body = infer(["x" * 10_000, *[""] * 10_000])
    tracemalloc.start()
    with pytest.raises(UsageError, match="does not fit its shape or type"):
        read_request(body, None, 2, 2, {"probabilities": 2})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100 * len(body)


@pytest.mark.parametrize(
    "data", [7, "7", None, [[1] * 6, [2] * 5], [[[[[1]]]]], [1.0] * 12, [True] * 12, [*[1] * 11, "1"]]
)
def test_what_is_no_whole_numbers_is_refused(data: object) -> None:
    with pytest.raises(UsageError, match="the data of the input"):
        read_request(infer(data), None, 2, 2, {"probabilities": 2})


def test_a_shape_of_thousands_of_digits_is_not_repeated_whole() -> None:
    for shape in ([10**4000, 2, 2, 3], [1, 10**4000, 2, 3]):
        body = json.dumps({"inputs": [{"name": "image", "shape": shape, "datatype": "UINT8"}]}).encode()
        with pytest.raises(UsageError) as caught:
            read_request(body, None, 2, 2, {"probabilities": 2})
        assert len(str(caught.value)) < 300


def test_a_form_that_is_none_fills_no_log(tmp_path) -> None:
    class _Service:
        settings = settings_of(tmp_path)

    ImageClassifier(_Service(), AccessRules("token", "127.0.0.1"))  # type: ignore[arg-type]
    assert not logging.getLogger("python_multipart.multipart").isEnabledFor(logging.WARNING)
