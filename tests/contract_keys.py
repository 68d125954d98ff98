"""Keys of results that scripts rely on, by command: the Python API and ``--json`` have the same."""

from __future__ import annotations

BENCHMARK = (
    "ep", "threads", "batch", "latency_ms", "session_run_ms_p50", "overhead_ratio", "images_per_s", "load_ms", "rss_mb",
    "cpu",
)  # fmt: skip
INSPECT = (
    "manifest", "sha256", "size_bytes", "opset", "operators", "quantized_nodes", "float_nodes", "parameters", "macs",
)  # fmt: skip
BUNDLE = ("dir", "files", "signed", "sbom")
BUNDLE_VERIFY = ("ok", "findings")
FINDING = ("level", "what", "where", "remedy")
