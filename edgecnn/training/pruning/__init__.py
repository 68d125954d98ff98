"""Smaller networks made of trained ones: fewer channels, fewer blocks."""
