"""A model file that was taught on a device."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grounds import write_grounds

from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.teach import teach


def write_taught_file(model: Path, out: Path) -> None:
    """It tells dark from light grounds, and remembers its images by name and hash."""
    with tempfile.TemporaryDirectory() as folder:
        assert teach(model, write_grounds(Path(folder), 12), out, TeachOptions(replace=True)).file
