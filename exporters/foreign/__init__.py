"""Reads classifiers of other exporters and adapts their graph."""
