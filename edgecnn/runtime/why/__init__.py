"""Why a model file answers as it does: the places of an image that support a class, and similar taught images."""
