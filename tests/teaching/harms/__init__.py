"""What can be wrong with a folder of labelled images, or with the place where a taught model is written."""

from harms import folders, images, large, output  # each adds its own to HARMS
from harms.place import HARMS, LARGE_HARMS, Place

__all__ = ["HARMS", "LARGE_HARMS", "Place", "folders", "images", "large", "output"]
