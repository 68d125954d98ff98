"""Frame quality checks: whether a frame can be classified reliably."""
