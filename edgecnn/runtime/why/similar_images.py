"""The taught images that a model file remembers."""

from __future__ import annotations

from edgecnn.errors import ManifestError
from edgecnn.features.taught_images import TaughtImages
from edgecnn.image.header import HeaderError, read_header
from edgecnn.runtime.session.model_file import Description

__all__ = ["read_taught_images"]

_MAX_THUMBNAIL_PIXELS = 256 * 256


def read_taught_images(description: Description, width: int | None) -> TaughtImages | None:
    """The taught images of a model file; None: it remembers none.

    Args:
        description: of the file.
        width: number of features of its embedding; -1: the file does not declare it; None: it gives none.

    Raises:
        ManifestError: the record is invalid, or does not fit the model.
    """
    if description.taught_json is None:
        return None
    try:
        found = TaughtImages.from_json(description.taught_json)
        _check(found, width)
    except ManifestError as error:
        raise ManifestError(f"{description.path}: {error}") from error
    return found


def _check(found: TaughtImages, width: int | None) -> None:
    remedy = "teach the model again from the file it was taught from"
    if width not in {-1, found.width}:
        raise ManifestError(
            f"the record of the taught images has {found.width} features, the model {width or 'none'}; {remedy}"
        )
    for image in found.images:
        if image.thumbnail is not None and not _is_small(image.thumbnail):
            raise ManifestError(f"the record of the taught images is invalid (a thumbnail is no small JPEG); {remedy}")


def _is_small(content: bytes) -> bool:
    try:
        header = read_header(content)
    except HeaderError:
        return False
    return header.format == "JPEG" and 0 < header.width * header.height <= _MAX_THUMBNAIL_PIXELS
