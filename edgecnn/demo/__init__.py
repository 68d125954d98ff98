"""The whole line once, on real pictures: what ``edgecnn demo`` runs."""
