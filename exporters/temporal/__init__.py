"""Export of recurrent models: a file that takes one step, and a file that takes whole clips."""
