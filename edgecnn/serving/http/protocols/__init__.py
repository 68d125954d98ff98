"""The ways in which other systems send images: the Open Inference Protocol, and the API of Edge Impulse's runner."""
