"""What would spoil a model, or the figures it is evaluated by, found in a folder of images."""
