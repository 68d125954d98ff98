"""What a trained network does with one picture, in pictures for a learner: ``edgecnn explain``."""
