"""Checks of folders of clips."""
