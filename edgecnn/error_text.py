"""What a message shows of text from elsewhere: errors of other software, answers of servers, names of files.

And what it advises where a file has another format than this version reads.
"""

from __future__ import annotations

__all__ = ["first_line", "format_remedy", "one_line", "printable", "shortened"]

_OBEYED = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control characters, bytes that are no text, ends of lines
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they show a line in another order


def first_line(error: BaseException, longest: int = 160) -> str:
    """What a library's error says, as one line of at most ``longest`` characters; its type where it says nothing."""
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0][:longest])


def format_remedy(found: object, read: int, otherwise: str) -> str:
    """What to do about a file whose format has this number: that of a later version needs a later EdgeCNN."""
    later = isinstance(found, int) and found > read
    return f"a later version of EdgeCNN wrote it: update EdgeCNN, or {otherwise}" if later else otherwise


def one_line(text: str) -> str:
    """All lines in one, printable."""
    return printable(" ".join(text.split()))


def shortened(text: str, longest: int = 60) -> str:
    """What somebody sent, as an error may repeat it: printable, and of a longer text the first characters."""
    return printable(text) if len(text) <= longest else f"{printable(text[:longest])}…"


def printable(text: str, *, keep_bytes: bool = False) -> str:
    """The text with what a terminal would obey or could not show as escapes: names of files and labels may hold any.

    ``keep_bytes``: bytes that are no UTF-8 stay as they are, so that a script can go on with the name of a file.
    """
    if text.isprintable():
        return text
    import unicodedata  # noqa: PLC0415  # most texts need none of it

    obeyed = _OBEYED - {"Cs"} if keep_bytes else _OBEYED
    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode()
        if c in _TURNING or unicodedata.category(c) in obeyed
        else c
        for c in text
    )
