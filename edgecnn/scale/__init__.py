"""Many images on many machines: ``predict --engine ray`` and ``val --engine ray`` (docs/scale.md)."""
