"""Recurrent models on the device: the state of each source, and when it is kept, stepped and reset."""
