"""What turns logits into probabilities and unknown scores that can be believed."""
