"""Formats that are not read, known by their first bytes, so that a message can name them."""

from __future__ import annotations

import re

__all__ = ["name_of_format"]

_SIGNS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (name, re.compile(sign, re.DOTALL))
    for name, sign in (
        ("HEIC", rb".{4}ftyp(?:hei[cxms]|hev[cxms]|(?:mif1|msf1).{4,16}hei)"),
        ("JPEG XL", rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
        ("Photoshop (PSD)", rb"8BPS"),
        ("OpenEXR", rb"\x76\x2f\x31\x01"),
        ("Radiance HDR", rb"#\?(?:RADIANCE|RGBE)"),
        ("Windows icon", rb"\x00\x00\x01\x00[\x01-\x40]\x00"),
        ("NumPy", rb"\x93NUMPY"),
        ("FITS", rb"SIMPLE  ="),
        ("Canon CR3", rb".{4}ftypcrx "),
        ("Fujifilm RAF", rb"FUJIFILMCCD-RAW"),
        ("GIMP (XCF)", rb"gimp xcf"),
        ("SVG", rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<svg"),
        ("PDF", rb"%PDF-"),
    )
)


def name_of_format(data: bytes) -> str | None:
    """The name of an image format that is not read, from a file's first 32 bytes or more; None where it is not known.

    Of TGA, which begins with nothing of its own, the last bytes tell; so the whole file must be given for it.
    """
    for name, sign in _SIGNS:
        if sign.match(data):
            return name
    if data[128:132] == b"DICM":
        return "DICOM"
    return "TGA" if data[-18:-1] == b"TRUEVISION-XFILE." else None
