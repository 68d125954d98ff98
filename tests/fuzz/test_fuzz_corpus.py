"""Inputs that a fuzzer has found, or that once broke a promise: each has the result that is promised.

`benchmarks/fuzz/bench_fuzz.py` searches for more.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from fuzz.promises import BrokenPromiseError, kept
from fuzz.targets import CORPUS, TARGETS, target_of

from edgecnn.errors import ImageError
from edgecnn.image.header import read_header
from edgecnn.preprocess import decode


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
@pytest.mark.parametrize("name", TARGETS)
def test_each_input_has_the_promised_result(name: str) -> None:
    results = {}
    with target_of(name).opened() as look:
        for path in sorted((CORPUS / name).glob("*/*")):
            results[path] = kept(look, path.read_bytes())
    assert {path.name: result for path, result in results.items()} == {path.name: path.parent.name for path in results}
    assert {"accepted", "refused"} == set(results.values()), "the corpus has both"


def test_of_what_the_header_accepts_the_decoder_gives_as_many_pixels_or_nothing() -> None:
    decoded = 0
    for path in sorted((CORPUS / "header" / "accepted").iterdir()):
        data = path.read_bytes()
        header = read_header(data)
        with suppress(ImageError):
            height, width, _ = decode(data).shape
            assert height * width == header.height * header.width
            decoded += 1
    assert decoded >= 20, "the seeds are whole"


@pytest.mark.usefixtures("_traced")
def test_an_input_that_takes_too_much_is_named() -> None:
    def hold(data: bytes) -> str:
        return "accepted" if bytes(10_000_000) else "refused"

    with pytest.raises(BrokenPromiseError, match=r"10,000,\d+ bytes of memory for 3 bytes"):
        kept(hold, b"abc")
