"""Reads which provider runs which nodes, as onnxruntime records it when it opens a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import onnxruntime

from edgecnn.runtime.providers.registry import PROVIDERS, Provider

__all__ = ["Placement", "placement", "record_placement"]

_HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # and their int8 forms, whose names hold these


@dataclass(frozen=True)
class Placement:
    """Numbers of nodes per provider, after onnxruntime's first optimizations.

    Nodes that a provider fuses still count separately.
    """

    nodes: Mapping[str, int]  # by the provider's short name
    heavy_elsewhere: int  # convolutions and matrix products that the wanted provider left to others


def record_placement(options: onnxruntime.SessionOptions) -> None:
    """Enables recording in the session options. Has no effect before onnxruntime 1.24.1."""
    if hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"):
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")


def placement(session: onnxruntime.InferenceSession, wanted: Provider, full_name: str) -> Placement | None:
    """Returns the placement; None if onnxruntime did not record it.

    Args:
        session: a session opened after :func:`record_placement`.
        wanted: the requested provider.
        full_name: its name in the session.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    short = {p.full_name: p.name for p in PROVIDERS.values()} | {full_name: wanted.name}
    nodes, heavy_elsewhere = Counter[str](), 0
    for part in session.get_provider_graph_assignment_info():
        inside = part.get_nodes()
        nodes[short.get(part.ep_name, part.ep_name)] += len(inside)
        if part.ep_name != full_name:
            heavy_elsewhere += sum(any(name in node.op_type for name in _HEAVY) for node in inside)
    return Placement(dict(nodes.most_common()), heavy_elsewhere)
