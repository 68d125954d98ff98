"""The whole line once, on real images: what ``edgecnn demo`` runs."""
