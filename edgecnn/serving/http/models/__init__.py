"""Models and their swaps over HTTP."""
