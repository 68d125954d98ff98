"""What a message quotes of an error that other software raised."""

from __future__ import annotations

__all__ = ["first_line"]


def first_line(error: BaseException, longest: int = 160) -> str:
    """What a library's error says, as one line of at most ``longest`` characters; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:longest]
