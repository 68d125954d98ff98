"""The unknown score of a trained network."""
