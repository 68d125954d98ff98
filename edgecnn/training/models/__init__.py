"""The built-in networks, one architecture a file."""
