"""Which images or clips of a folder a model is evaluated on: those that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from edgecnn.data.split_record import Split

__all__ = ["Choice", "EvalSplit", "choose_held_out"]

EvalSplit = Literal["val", "test", "all"]
Splits: TypeAlias = "Sequence[Split | None]"


class InSplit(Protocol):
    """An image or clip of a folder."""

    @property
    def split(self) -> Split | None:
        """The split that its folder is named by; None where the folder has no splits."""


@dataclass(frozen=True)
class Choice:
    """What is evaluated."""

    indices: tuple[int, ...]
    held_out: bool  # none of them was trained on, as far as the model file remembers
    note: str  # one line for people


def choose_held_out(items: Sequence[InSplit], seen: Splits, which: EvalSplit | None, noun: str) -> Choice:
    """Chooses what to evaluate a model on.

    Args:
        items: the images or clips of a folder.
        seen: the split of each in the model's training run; None for those that the run did not have.
        which: a split, or None for every item that the model was not trained on.
        noun: what the items are, in the plural.
    """
    trained_on = sum(split == "train" for split in seen)
    if which == "all" or (which is None and not any(seen)):
        note = f"all {len(items)} {noun}" + (f", {trained_on} of them trained on" if trained_on else "")
        return Choice(tuple(range(len(items))), trained_on == 0, note)
    # What the model remembers counts first; of the items that came later, the folder that they were put into
    sides = [known or item.split for item, known in zip(items, seen, strict=True)]
    if which is None:  # items of the run that were neither trained on nor set aside for the final test
        evaluated: Split = "val" if any(side in ("val", None) for side in sides) else "test"
        chosen = [i for i, side in enumerate(sides) if side == evaluated or (evaluated == "val" and side is None)]
    else:
        evaluated, chosen = which, [i for i, side in enumerate(sides) if side == which]
    later = sum(seen[i] is None for i in chosen) if any(seen) else 0
    added = f", {later} of them added since training" if later else ""
    said = (
        f"the {len(chosen)} held-out {noun} of the run's own data{added}; {trained_on} training {noun} are left out"
        if which is None
        else f"the {len(chosen)} {noun} of the split '{which}'{added}{_trained_on_there(items, seen, which)}"
    )
    return Choice(tuple(chosen), True, said + (_not_evaluated(sides, seen, evaluated) if which is None else ""))


def _trained_on_there(items: Sequence[InSplit], seen: Splits, which: EvalSplit) -> str:
    """Items that were moved into a split after the model was trained on them."""
    moved = sum(item.split == which and known == "train" for item, known in zip(items, seen, strict=True))
    return f"; {moved} more in it are left out, since the model was trained on them" if moved else ""


def _not_evaluated(sides: Splits, seen: Splits, evaluated: Split) -> str:
    """Items in `train` that came later, and those in `test` where the others are evaluated."""
    later = [side for side, known in zip(sides, seen, strict=True) if known is None]
    told = f"; {later.count('train')} new ones in train are not among them" if "train" in later else ""
    if evaluated == "test" or "test" not in sides:
        return told
    new = f", {later.count('test')} of them new," if "test" in later else ""
    return f"{told}; {sides.count('test')} in test{new} are not among them (edgecnn val --split test)"
