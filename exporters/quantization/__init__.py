"""From a float model to an int8 model whose accuracy and speed are measured."""
