"""Commands that start without Typer, in less time and memory."""
