"""``python -m edgecnn``: the command line."""

from edgecnn.cli import main

if __name__ == "__main__":
    main()
