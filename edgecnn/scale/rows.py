"""Answers as rows of a Parquet file: the columns of ``predict --format jsonl``, and for ``val`` two more."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.plain_json import as_json, parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.runtime.decision import Prediction, Status

__all__ = ["Row", "ShardFacts", "parquet_bytes", "read_facts", "schema"]

_KEY = b"edgecnn"  # in the metadata of a file


@dataclass(frozen=True, eq=False)
class Row:
    """One answer; of a labelled image, what an evaluation needs too."""

    prediction: Prediction
    truth: int | None = None  # class index; None: predict
    probabilities: NDArray[np.float32] | None = None  # [C]; None: predict, or the image could not be read


@dataclass(frozen=True)
class ShardFacts:
    """What the metadata of a shard's file say."""

    images: int
    statuses: Counter[Status]
    seconds: float  # that its worker took


def schema(*, labelled: bool) -> Any:
    """The ``pyarrow.Schema`` of a shard. Its first columns are the fields of a prediction, in their order."""
    import pyarrow as pa  # noqa: PLC0415  # of the extra `ray`

    number, text = pa.float64(), pa.string()
    times = [(name, number) for name in ("decode", "preprocess", "inference", "total")]
    columns = [
        ("source", text),
        ("frame", pa.int64()),
        ("captured_at", text),
        ("media_time_s", number),
        ("age_ms", number),
        ("status", text),
        ("reason", text),
        ("label", text),
        ("index", pa.int32()),
        ("score", number),
        ("top", pa.list_(pa.struct([("label", text), ("score", number)]))),
        ("latency_ms", pa.struct(times)),
        ("ep", text),
        ("model_sha256", text),
        ("region", text),
    ]
    more = [("truth", pa.int32()), ("probabilities", pa.list_(pa.float32()))]
    return pa.schema(columns + more if labelled else columns)


def parquet_bytes(rows: Sequence[Row], facts: ShardFacts, *, labelled: bool) -> bytes:
    """A whole Parquet file.

    Args:
        rows: of one shard, in order.
        facts: of the rows, for its metadata.
        labelled: whether there are columns for `val`.
    """
    import pyarrow as pa  # noqa: PLC0415  # of the extra `ray`
    from pyarrow import parquet  # noqa: PLC0415

    table = pa.Table.from_pylist([_values(row, labelled=labelled) for row in rows], schema(labelled=labelled))
    told = json.dumps({"statuses": facts.statuses, "seconds": facts.seconds})
    written = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({_KEY: told}), written)
    return written.getvalue()


def _values(row: Row, *, labelled: bool) -> dict[str, Any]:
    values: dict[str, Any] = {name: _as_utf8(value) for name, value in as_json(row.prediction).items()}
    if labelled:
        values |= {"truth": row.truth, "probabilities": row.probabilities}
    return values


def _as_utf8(value: Any) -> Any:
    """Plain values with a ``?`` for what Parquet's texts cannot hold: a file or a class may have any name."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_as_utf8(item) for item in value]
    return {key: _as_utf8(item) for key, item in value.items()} if isinstance(value, dict) else value


def read_facts(path: Path) -> ShardFacts | None:
    """What a shard's file says of itself, from its last bytes alone; None: there is none, or it is not whole."""
    from pyarrow import ArrowException, parquet  # noqa: PLC0415  # of the extra `ray`

    try:
        metadata = parquet.read_metadata(path)
        facts = parse_json((metadata.metadata or {})[_KEY])
        return ShardFacts(metadata.num_rows, Counter(facts["statuses"]), float(facts["seconds"]))
    except (OSError, ArrowException, ValueError, KeyError, TypeError):
        return None
