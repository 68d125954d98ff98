"""Datasets: listing, reading, and recording images by content."""
