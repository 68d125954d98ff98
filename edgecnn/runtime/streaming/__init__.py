"""Streams of predictions from sources."""
