"""Answers of a network that learns nothing meanwhile, sooner than the network itself gives them on a CPU."""
