"""The images of the demo: electroluminescence images of solar cells, from the package ``elpv-dataset``.

Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence Imagery" (EU
PVSEC 2018); Deitsch et al. (Solar Energy 185, 2019): a support vector machine reaches 82.44 %, a convolutional network
88.42 %.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from edgecnn.atomic import make_folder
from edgecnn.errors import MissingExtraError, OutputError

__all__ = ["LICENCE", "write_solar_cells"]

LICENCE = "images: elpv-dataset (Buerhop-Lutz, Deitsch et al.), CC BY-NC-SA 4.0: not for commercial use"
_DEFECTIVE_ABOVE = 0.5  # experts' probability of a defect: 0, 1/3, 2/3 or 1


def write_solar_cells(folder: Path) -> None:
    """Copies the images into ``folder/functional`` and ``folder/defective``.

    Raises:
        MissingExtraError: the package is not installed.
        OutputError: the folder cannot be written.
    """
    source = _package_folder()
    for line in (source / "labels.csv").read_text().splitlines():
        name, probability, _ = line.split()
        label = "defective" if float(probability) > _DEFECTIVE_ABOVE else "functional"
        make_folder(folder / label)
        try:
            shutil.copy(source / name, folder / label)
        except OSError as error:
            raise OutputError(
                f"{folder / label}: cannot be written: {error.strerror}; free disk space, or choose another --out"
            ) from error


def _package_folder() -> Path:
    """Finds the package without importing it, because the import needs Pillow."""
    spec = find_spec("elpv_dataset")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (folder := Path(place, "data")).joinpath("labels.csv").is_file():
            return folder
    raise MissingExtraError(
        "the demo's images are not installed; run pip install 'edgecnn[demo,train]', or give your own "
        "images with --data"
    )
