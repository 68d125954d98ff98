"""``edgecnn search``: the network, image size, pruning and precision that meet a device's budget."""
