"""Settings of property tests: few examples, the same in each run. Without hypothesis, tests that import this skip."""

from __future__ import annotations

import pytest

hypothesis = pytest.importorskip("hypothesis")
strategies = pytest.importorskip("hypothesis.strategies")


def examples(count: int) -> hypothesis.settings:
    """So many examples, always the same ones."""
    checks = [hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow]
    return hypothesis.settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=checks
    )
