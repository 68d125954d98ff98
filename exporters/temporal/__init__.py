"""Export of recurrent models: the streaming step, and the whole clip."""
