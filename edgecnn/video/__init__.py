"""Decodes video by FFmpeg, through PyAV."""
