"""The machine: its processor, its limits, its state."""
