"""Optimization: schedules, precision, distillation, quantization-aware training and distributed training."""
