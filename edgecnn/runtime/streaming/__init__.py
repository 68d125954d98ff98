"""From sources to answers."""
