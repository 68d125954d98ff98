"""Quantization of float models to int8, with measured accuracy and speed."""
