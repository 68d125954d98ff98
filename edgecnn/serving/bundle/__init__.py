"""Bundles: the signed folder with everything that a device needs, and the check of such a folder."""
