"""Which parts of an x86-64 ELF file are instructions."""

import struct
from dataclasses import dataclass

_PROGBITS = 1  # SHT_PROGBITS: the section's bytes are in the file
_EXECUTABLE = 0x4  # SHF_EXECINSTR
_X86_64 = 62  # EM_X86_64
_HEADER_BYTES = 64
_SECTION_HEADER = struct.Struct("<IIQQQQ")  # the first six members of Elf64_Shdr


@dataclass(frozen=True)
class CodeSection:
    """Where its bytes are: the address, less the one that the file is loaded at, and the offset in the file."""

    address: int
    offset: int
    size: int


def code_sections(content: memoryview) -> list[CodeSection]:
    """The sections with instructions. None of a file that is no ELF file for x86-64 or has no table of sections."""
    if len(content) < _HEADER_BYTES or bytes(content[:6]) != b"\x7fELF\x02\x01":
        return []
    machine = struct.unpack_from("<H", content, 18)[0]
    table = struct.unpack_from("<Q", content, 40)[0]
    entry_bytes, count = struct.unpack_from("<HH", content, 58)
    if machine != _X86_64 or table + entry_bytes * count > len(content):
        return []
    found = []
    for index in range(count):
        _, kind, flags, address, offset, size = _SECTION_HEADER.unpack_from(content, table + entry_bytes * index)
        if kind == _PROGBITS and flags & _EXECUTABLE and offset + size <= len(content):
            found.append(CodeSection(address, offset, size))
    return found
