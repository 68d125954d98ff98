"""Addresses of images in a store, such as ``s3://bucket/folder/1.jpg``, and what opens the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecnn.runtime.sources.drivers.table import SCHEMES

__all__ = ["StoreAddress", "is_stored", "parse_stored", "place_of"]

_OF_IMAGES_TOO = ("http", "https")  # cameras have these schemes, and so have images in the web
_AT_IS_PART = ("abfs", "abfss")  # of their names: container@account


@dataclass(frozen=True)
class StoreAddress:
    """An address in a store, without what opens the store.

    Names of objects are taken as they are: a ``%`` in one is a percent sign.
    """

    place: str  # scheme and bucket: s3://bucket
    key: str  # what stands behind it, without a slash at the start
    opening: str = field(repr=False)  # the place with login and options, which may be secret; never printed or stored

    @property
    def name(self) -> str:
        """The address as rows and messages show it."""
        return f"{self.place}/{self.key}" if self.key else self.place


def is_stored(text: str) -> bool:
    """Whether a text is an address in a store; else it is a path of this machine, or a camera."""
    scheme, found, _ = text.partition("://")
    return bool(found) and (scheme.lower() in _OF_IMAGES_TOO or scheme.lower() not in SCHEMES)


def parse_stored(text: str) -> StoreAddress:
    """Takes an address apart: ``s3://KEY:SECRET@bucket/folder?region=eu-north-1``."""
    scheme, _, rest = text.partition("://")
    rest, _, options = rest.rpartition("?") if "=" in rest.rpartition("?")[2] and "?" in rest else (rest, "", "")
    host, _, key = rest.partition("/")
    bucket = host if scheme.lower() in _AT_IS_PART else host.rpartition("@")[2]
    opening = f"{scheme}://{host}" + (f"?{options}" if options else "")
    return StoreAddress(f"{scheme}://{bucket}", key, opening)


def place_of(name: str) -> str:
    """Scheme and bucket of an address without login and options."""
    scheme, _, rest = name.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
