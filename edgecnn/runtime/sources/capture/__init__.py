"""Cameras and streams: one capture process per source, and its newest frame."""
