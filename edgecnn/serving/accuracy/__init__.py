"""How good the models of the service are on the frames that they see now, as far as that can be told without labels."""
