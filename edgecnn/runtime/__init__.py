"""The device's part: opens a model file, proves it, classifies.

Needs numpy, OpenCV and onnxruntime; never torch or onnx.
"""
