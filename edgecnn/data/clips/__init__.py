"""Folders of clips: videos, or folders of frames, by class."""
