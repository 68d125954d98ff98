"""EdgeCNN: an image classifier from a folder of images to a decision on a device.

The runner's names are here; training is in :mod:`edgecnn.training`, export and quantization in :mod:`exporters`.
"""

from __future__ import annotations

import os

from edgecnn._lazy import lazy_names
from edgecnn._version import __version__ as __version__

TYPE_CHECKING = False  # type checkers take it for that of typing, whose import would cost more than all the rest
if TYPE_CHECKING:
    from edgecnn.errors import EdgeCNNError as EdgeCNNError
    from edgecnn.manifest import Manifest as Manifest
    from edgecnn.runtime.classifier import Classifier as Classifier
    from edgecnn.runtime.decision import Prediction as Prediction
    from edgecnn.runtime.decision import Score as Score
    from edgecnn.runtime.sources import Frame as Frame
    from edgecnn.runtime.sources import open_source as open_source
    from edgecnn.serving.frozen_children import freeze_support as freeze_support


# By default onnxruntime gives this device an ID and reports to Microsoft, on Linux since 1.29. It reads this
# once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Classifier",
    "EdgeCNNError",
    "Frame",
    "Manifest",
    "Prediction",
    "Score",
    "__version__",
    "freeze_support",
    "open_source",
]

_MODULES = {
    "Classifier": "runtime.classifier",
    "EdgeCNNError": "errors",
    "Frame": "runtime.sources",
    "Manifest": "manifest",
    "Prediction": "runtime.decision",
    "Score": "runtime.decision",
    "freeze_support": "serving.frozen_children",
    "open_source": "runtime.sources",
}

__getattr__, _names = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted({*_names(), "__version__"})
