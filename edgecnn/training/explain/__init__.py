"""What a trained network does with one image, in images for a learner: ``edgecnn explain``."""
