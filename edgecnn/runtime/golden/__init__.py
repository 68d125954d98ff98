"""Golden samples: what proves a model file on a device."""
