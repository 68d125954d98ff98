"""The demo: the complete pipeline on real images, as ``edgecnn demo`` runs it."""
