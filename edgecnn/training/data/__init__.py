"""From a folder of images to augmented batches."""
