"""Calibration of outputs: temperature scaling and unknown scores."""
