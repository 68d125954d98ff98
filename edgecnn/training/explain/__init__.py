"""Explains how a network classifies one image, for ``edgecnn explain``."""
