"""One image in each form that Pillow or OpenCV writes and EdgeCNN reads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from encoded_images import encoded, noise
from PIL import Image as Pil  # noqa: TID251  # writes what is read here

__all__ = ["FORMS", "write_format_set"]

HEIGHT, WIDTH = 104, 120


def _turned(orientation: int) -> dict[str, object]:
    exif = Pil.Exif()
    exif[0x0112] = orientation
    return {"exif": exif, "quality": 90}


FORMS: dict[str, tuple[str, str, dict[str, object]]] = {
    "jpeg 4.4.4.jpg": ("JPEG", "RGB", {"subsampling": 0}),
    "jpeg 4.2.2.jpg": ("JPEG", "RGB", {"subsampling": 1}),
    "jpeg 4.2.0.jpeg": ("JPEG", "RGB", {"subsampling": 2}),
    "jpeg progressive.jpg": ("JPEG", "RGB", {"progressive": True}),
    "jpeg restarts.jpg": ("JPEG", "RGB", {"restart_marker_rows": 1}),
    "jpeg grey.jpg": ("JPEG", "L", {}),
    "jpeg cmyk.jpg": ("JPEG", "CMYK", {}),
    **{f"jpeg turned {n}.jpg": ("JPEG", "RGB", _turned(n)) for n in range(2, 9)},
    "png.png": ("PNG", "RGB", {}),
    "png alpha.png": ("PNG", "RGBA", {}),
    "png grey.png": ("PNG", "L", {}),
    "png grey alpha.png": ("PNG", "LA", {}),
    "png palette.png": ("PNG", "P", {}),
    "png palette clear.png": ("PNG", "P", {"transparency": 0}),
    "png black and white.png": ("PNG", "1", {}),
    "png turned.png": ("PNG", "RGB", _turned(6)),
    "png animated.png": ("PNG", "RGB", {"save_all": True, "append_images": [Pil.new("RGB", (WIDTH, HEIGHT))]}),
    "webp.webp": ("WEBP", "RGB", {}),
    "webp lossless.webp": ("WEBP", "RGB", {"lossless": True}),
    "webp alpha.webp": ("WEBP", "RGBA", {}),
    "webp animated.webp": ("WEBP", "RGB", {"save_all": True, "append_images": [Pil.new("RGB", (WIDTH, HEIGHT))]}),
    "gif.gif": ("GIF", "RGB", {}),
    "gif animated.gif": ("GIF", "RGB", {"save_all": True, "append_images": [Pil.new("RGB", (WIDTH, HEIGHT))]}),
    "bmp.bmp": ("BMP", "RGB", {}),
    "bmp palette.dib": ("BMP", "P", {}),
    "bmp black and white.bmp": ("BMP", "1", {}),
    "tiff.tif": ("TIFF", "RGB", {}),
    "tiff lzw.tiff": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "tiff deflate.tiff": ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    "tiff big.tiff": ("TIFF", "RGB", {"big_tiff": True}),
    "ppm.ppm": ("PPM", "RGB", {}),
    "pgm.pgm": ("PPM", "L", {}),
    "pbm.pbm": ("PPM", "1", {}),
    "avif.avif": ("AVIF", "RGB", {"speed": 10}),
    "avif turned.avif": ("AVIF", "RGB", {"speed": 10, "exif": _turned(8)["exif"]}),
    "jpeg 2000.jp2": ("JPEG2000", "RGB", {}),
    "jpeg 2000 grey.jp2": ("JPEG2000", "L", {}),
    "jpeg 2000 stream.j2k": ("JPEG2000", "RGB", {"no_jp2": True}),
}
"""By file name: Pillow's format, mode and options."""

_DEEP = {"png 16.png": 3, "png 16 alpha.png": 4, "png 16 grey.png": 1, "ppm 16.ppm": 3, "tiff 16.tiff": 3}  # channels


def write_format_set(root: Path) -> list[Path]:
    """Writes different noise in each form, half of the files into each of two class folders."""
    written = []
    for number, (name, content) in enumerate(_contents().items()):
        path = root / ("odd" if number % 2 else "even") / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written


def _contents() -> dict[str, bytes]:
    contents = {}
    for seed, (name, (kind, mode, options)) in enumerate(FORMS.items()):
        image = Pil.fromarray(noise(HEIGHT, WIDTH, seed=seed)).convert(mode)
        contents[name] = encoded(image, kind, **options)
    for seed, (name, channels) in enumerate(_DEEP.items()):
        levels = np.random.default_rng(seed).integers(0, 65536, (HEIGHT, WIDTH, channels)).astype(np.uint16)
        contents[name] = bytes(cv2.imencode(Path(name).suffix, levels)[1])
    return contents
