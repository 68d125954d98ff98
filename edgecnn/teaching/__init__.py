"""Teaches a model file new images on the device: its network stays, its classifier is fitted again. Neither torch nor
onnx is needed."""
