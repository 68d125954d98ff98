"""One file a command: its Typer signature, and what it prints."""
