"""Dataset checks: problems that harm a model or make its evaluation wrong."""
