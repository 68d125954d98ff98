"""Recurrent models on the device: the state of each source, when it takes a step, and when it is reset."""
