"""The classifier of a model file: fitted again, and written into it."""
