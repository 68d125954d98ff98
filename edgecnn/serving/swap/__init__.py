"""Swaps a model while the service runs: checks, shadow, change, rollback, and what of it outlives a restart."""
