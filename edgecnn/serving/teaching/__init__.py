"""Teaching while the service runs: labelled frames become a new model, which goes through a swap like any other."""
