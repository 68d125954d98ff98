"""Whether a frame is fit to be decided on."""
