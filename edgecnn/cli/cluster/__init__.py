"""``--engine ray`` of commands: options in, lines and JSON out."""
