"""How float weights become integers: rounded by their effect, within the sums that a processor adds exactly."""
