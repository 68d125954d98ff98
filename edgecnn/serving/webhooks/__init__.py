"""Calls other systems over HTTP when a decision changes."""
