"""System information: processor, resource limits, and machine state."""
