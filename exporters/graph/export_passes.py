"""The passes that every graph gets, exported or adopted."""

from __future__ import annotations

from exporters.graph.average_pools import count_inside
from exporters.graph.padding import fold_pad_into_conv
from exporters.graph.passes import mean_to_global_average_pool, remove_dead_nodes

__all__ = ["PASSES"]

PASSES = (mean_to_global_average_pool, fold_pad_into_conv, count_inside, remove_dead_nodes)
