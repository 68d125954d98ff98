"""AVIF files: their boxes, and the frames in them."""
