"""Layers and blocks that networks are built from."""
