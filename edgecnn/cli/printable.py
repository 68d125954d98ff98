"""Text of files and names as a terminal may show it: one line, and nothing that the terminal would obey."""

from __future__ import annotations

__all__ = ["printable"]

_OBEYED = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control characters, bytes that are no text, ends of lines
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they show a line in another order


def printable(text: str) -> str:
    """The text with such characters as escapes: names of files and labels may hold any."""
    if text.isprintable():
        return text
    import unicodedata

    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode()
        if c in _TURNING or unicodedata.category(c) in _OBEYED
        else c
        for c in text
    )
