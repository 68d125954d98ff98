"""How good the taught classifier is: cross-validation, the forecast and the gate."""
