"""Drivers: one module per kind of camera or stream, listed in `table`."""
