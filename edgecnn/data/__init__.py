"""Folders of images: found, read and remembered by content."""
