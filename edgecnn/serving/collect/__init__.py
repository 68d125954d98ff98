"""Keeps frames that are worth labelling, and makes a dataset of them. Off unless the settings name a folder."""
