"""The device runtime: opens a model file, verifies it with its golden samples, and classifies images.

Needs numpy, OpenCV and onnxruntime; never torch or onnx.
"""
