"""Cameras and streams: a capture process each, and its newest frame."""
