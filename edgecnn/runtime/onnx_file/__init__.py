"""Reads and writes ONNX files with protobuf only."""
