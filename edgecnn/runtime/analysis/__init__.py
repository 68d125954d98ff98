"""Analysis of model files: content, kernels that onnxruntime uses, layer differences, and speed."""
