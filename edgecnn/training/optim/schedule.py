"""The learning rate over a run."""

from __future__ import annotations

import math

from edgecnn.training.recipe import Recipe

__all__ = ["learning_rate"]


def learning_rate(recipe: Recipe, step: float, steps: int) -> float:
    """At ``step`` of ``steps``.

    A linear rise over the warm-up, then constant, or half a cosine down to nothing (arXiv 1608.03983).
    """
    rising = max(1, round(recipe.warmup * steps)) if recipe.warmup else 0
    if step < rising:
        return recipe.lr * (step + 1) / rising
    if recipe.schedule == "constant":
        return recipe.lr
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
