"""Rows of Parquet files hold whatever names, labels and reasons there are, as any reader reads them."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from properties import examples, hypothesis, strategies

from edgecnn.runtime.decision import Decision, LatencyMs, Missing, Prediction, Score, decide
from edgecnn.runtime.sources.frame import Frame
from edgecnn.scale.rows import Row, ShardFacts, parquet_bytes, read_facts

# As file names and labels may be: lone surrogates stand for bytes that are no text
TEXT = strategies.text(max_size=12) | strategies.binary(max_size=8).map(lambda b: b.decode(errors="surrogateescape"))
IMAGE = np.zeros((1, 1, 3), np.uint8)
SEEDS = strategies.integers(0, 2**32 - 1)


def as_text(found: str | None) -> str | None:
    return None if found is None else found.encode(errors="replace").decode()


def answered(name: str, labels: tuple[str, str], seed: int, threshold: float) -> Row:
    probabilities = np.random.default_rng(seed).dirichlet((1, 1)).astype(np.float32)
    decision = decide(probabilities, labels, threshold, 2)
    prediction = Prediction.decided(Frame(IMAGE, name, seed), decision, labels, LatencyMs(1, None, 2, 3), "cpu", "ab")
    return Row(prediction, truth=seed % 2, probabilities=probabilities)


def refused(name: str, reason: str, region: str | None) -> Row:
    missing = Missing("error", reason, name, 7, region=region)
    return Row(Prediction.unavailable(missing, "cpu", "ab"), truth=1)


ROWS = strategies.lists(
    strategies.builds(answered, TEXT, strategies.tuples(TEXT, TEXT), SEEDS, strategies.floats(0, 1))
    | strategies.builds(refused, TEXT, TEXT, strategies.none() | TEXT),
    min_size=1,
    max_size=4,
)


def written(rows: list[Row], *, labelled: bool) -> bytes:
    facts = ShardFacts(len(rows), Counter(row.prediction.status for row in rows), 0.5)
    return parquet_bytes(rows, facts, labelled=labelled)


@examples(20)
@hypothesis.given(rows=ROWS, labelled=strategies.booleans())
def test_any_row_comes_back_from_every_reader(rows: list[Row], labelled: bool) -> None:
    import pandas as pd
    from pyarrow import parquet

    content = written(rows, labelled=labelled)
    found = parquet.read_table(io.BytesIO(content)).to_pylist()
    by_pandas = pd.read_parquet(io.BytesIO(content))
    for row, line, (_, pandas_line) in zip(rows, found, by_pandas.iterrows(), strict=True):
        check(row, line, labelled=labelled)
        assert pandas_line["source"] == line["source"]
        assert (None if pd.isna(pandas_line["label"]) else pandas_line["label"]) == line["label"]


def check(row: Row, line: dict[str, Any], *, labelled: bool) -> None:
    prediction = row.prediction
    for name in ("source", "reason", "label", "region", "status"):
        assert line[name] == as_text(getattr(prediction, name)), name
    assert [(top["label"], top["score"]) for top in line["top"]] == [
        (as_text(t.label), t.score) for t in prediction.top
    ]
    assert (line["frame"], line["score"], line["index"]) == (prediction.frame, prediction.score, prediction.index)
    if labelled:
        assert line["truth"] == row.truth
        expected = None if row.probabilities is None else row.probabilities.tolist()
        assert line["probabilities"] == expected


def test_a_label_that_is_no_text_is_written_with_a_mark_in_place_of_each_such_byte(tmp_path: Path) -> None:
    from pyarrow import parquet

    decision = Decision("ok", None, 0, 0.9, (Score("caf\udce9", 0.9),))
    labels, latency_ms = ("caf\udce9", "tea"), LatencyMs(None, None, None, 0.0)
    prediction = Prediction.decided(Frame(IMAGE, "a.png"), decision, labels, latency_ms, "cpu", "ab")
    path = tmp_path / "part.parquet"
    path.write_bytes(written([Row(prediction)], labelled=False))
    [line] = parquet.read_table(path).to_pylist()
    assert (line["label"], line["top"][0]["label"]) == ("caf?", "caf?")
    assert read_facts(path) == ShardFacts(1, Counter({"ok": 1}), 0.5)
