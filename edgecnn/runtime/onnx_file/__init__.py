"""ONNX files read and written with protobuf alone."""
