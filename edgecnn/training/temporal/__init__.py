"""Recurrent networks on clips: a CNN's embedding of each frame, and a state that remembers the frames before."""
