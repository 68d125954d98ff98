"""What is computed from the features (embeddings) of a network: on the desk and on the device, without torch."""
