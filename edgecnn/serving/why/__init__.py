"""``Why?``: explains an answer when somebody asks."""
