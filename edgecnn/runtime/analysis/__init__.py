"""What is in a model file, what onnxruntime makes of it, and how fast it is."""
