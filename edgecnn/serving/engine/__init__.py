"""Sources, models and decisions: what the service does between a frame and those who hear of it."""
