"""Where a library asks the processor what it can do: the addresses of its CPUID instructions.

The two bytes of CPUID also occur inside other instructions. So the code before each pair is decoded by objdump
(binutils), 16 times, from 16 neighbouring bytes. An instruction has at most 15 bytes, so some of these decodings start
in the middle of one; within a few instructions they fall into step. Only a pair that all 16 read as CPUID is one. Tried
on the libraries of a development environment (71 with such a pair, 1,381 pairs): the 16 agreed on every pair, and with
the decoding from the beginning of the function, where the unwinding table tells it (1,238 of them).
"""

import mmap
import re
import subprocess
import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from code_sections import CodeSection, code_sections

_CPUID = b"\x0f\xa2"
_WITNESSES = 16
_RUN_UP_BYTES = 240
_LONGEST_INSTRUCTION = 15
_SEPARATOR = b"\x90" * 16  # one-byte NOPs: whatever precedes them, what follows is decoded from its first byte
_DECODED_CPUID = re.compile(rb"^\s*([0-9a-f]+):\s+cpuid\s*$", re.MULTILINE)


@dataclass(frozen=True)
class _Piece:
    """Code to decode from its first byte on, and where in it the pair is."""

    code: bytes
    pair_at: int


def cpuid_addresses(library: Path) -> list[int]:
    """The addresses, less the one that the library is loaded at.

    Raises OSError where it cannot be read or objdump is missing, CalledProcessError where objdump fails.
    """
    if library.stat().st_size == 0:  # nothing to map
        return []
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _addresses(mapped)


def _addresses(mapped: mmap.mmap) -> list[int]:
    with memoryview(mapped) as content:
        pairs = [(section, at) for section in code_sections(content) for at in _pairs(mapped, section)]
    agreed = _all_read_cpuid([_witnesses(mapped, section, at) for section, at in pairs])
    return [section.address + at - section.offset for (section, at), real in zip(pairs, agreed, strict=True) if real]


def _pairs(mapped: mmap.mmap, section: CodeSection) -> list[int]:
    """The offsets in the file."""
    found = []
    end = section.offset + section.size
    at = mapped.find(_CPUID, section.offset, end)
    while at >= 0:
        found.append(at)
        at = mapped.find(_CPUID, at + 1, end)
    return found


def _witnesses(mapped: mmap.mmap, section: CodeSection, at: int) -> list[_Piece]:
    """At the beginning of a section fewer of them differ."""
    end = min(at + _LONGEST_INSTRUCTION, section.offset + section.size)
    starts = [max(section.offset, at - _RUN_UP_BYTES - more) for more in range(_WITNESSES)]
    return [_Piece(mapped[start:end], at - start) for start in starts]


def _all_read_cpuid(groups: list[list[_Piece]]) -> list[bool]:
    """Of each group, whether every piece has a CPUID where its pair is."""
    starts: list[int] = []
    code = bytearray()
    for piece in (piece for group in groups for piece in group):
        code += _SEPARATOR
        starts.append(len(code))
        code += piece.code
    read = iter(_read_as_cpuid(bytes(code), starts))
    return [all([piece.pair_at in next(read) for piece in group]) for group in groups]  # noqa: C419  # each takes its own


def _read_as_cpuid(code: bytes, starts: list[int]) -> list[set[int]]:
    """Of each piece of the code, by where it starts, the places within it that objdump reads as CPUID."""
    found: list[set[int]] = [set() for _ in starts]
    if not starts:
        return found
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        command = ("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", file.name)
        listing = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    for line in _DECODED_CPUID.finditer(listing):
        at = int(line[1], 16)
        piece = bisect_right(starts, at) - 1
        found[piece].add(at - starts[piece])
    return found
