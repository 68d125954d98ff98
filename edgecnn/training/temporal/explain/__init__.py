"""Plots of a recurrent network's state and gates over one clip, for ``edgecnn explain``."""
