"""Features and logits of a network that learns nothing meanwhile: in onnxruntime on a CPU, where they agree with torch.

EfficientNet-Lite0 on an AVX2 processor takes onnxruntime half of the time that it takes torch (docs/benchmarks.md).
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgecnn.training.answers.folded import folded
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.precision import has_bfloat16
from edgecnn.training.optim.small_batches import in_small_batches

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Answering"]

_PAYS_AFTER = 32 * 224 * 224  # pixels: about what writing the graph and opening it costs
_COMPARED = 4  # images
_TOLERANCE = 1e-4  # of the largest feature


class Answering:
    """Answers of a network, whose weights must not change after the first one.

    Args:
        network: goes into evaluation mode.
        mixed: it is called where bfloat16 is wanted: where the device has that, the network itself is quickest.
        at_once: not only where it pays. Then an answer does not depend on how many were asked for before: what a
            network learns from must be the same in a run that was resumed.
    """

    def __init__(self, network: ImageClassifier, *, mixed: bool = False, at_once: bool = False) -> None:
        self._network = network.eval()
        self.device = next(network.parameters()).device
        itself = self.device.type != "cpu" or (mixed and has_bfloat16(self.device))
        if not itself:
            self._network = folded(network)
        self._session: onnxruntime.InferenceSession | None = None
        self._torch_only = itself or not (find_spec("onnx") and find_spec("onnxruntime"))
        self._pixels_left = 0 if at_once else _PAYS_AFTER  # for torch to answer

    def features(self, inputs: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, D]``, on the network's device."""
        if self._session is None and not self._torch_only:
            if self._pixels_left <= 0:
                self._session = self._opened(inputs[:_COMPARED])
                self._torch_only = self._session is None
            self._pixels_left -= inputs[:, 0].numel()
        if self._session is not None:
            return in_small_batches(self._in_onnxruntime, inputs)
        return in_small_batches(self._network.features, inputs)

    def logits(self, features: Tensor) -> Tensor:
        """Features ``[N, D]`` -> logits ``[N, C]``; ``[N, 1]`` of a one-logit network."""
        found: Tensor = self._network.classifier(features)
        return found

    def _in_onnxruntime(self, inputs: Tensor) -> Tensor:
        assert self._session is not None
        return torch.from_numpy(self._session.run(None, {"image": inputs.contiguous().numpy()})[0])

    def _opened(self, images: Tensor) -> onnxruntime.InferenceSession | None:
        """A session, if it gives torch's features of these images; None for a network that cannot be written so."""
        import onnxruntime  # noqa: PLC0415  # most programs that load this module answer few images

        from edgecnn.training.answers.onnx_graph import UnknownLayerError, features_graph  # noqa: PLC0415

        try:
            graph = features_graph(self._network)
        except UnknownLayerError:
            return None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoders need the cores meanwhile
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run(None, {"image": images.contiguous().numpy()})[0])
        expected = in_small_batches(self._network.features, images)
        apart, largest = float((found - expected).abs().max()), float(expected.abs().max())
        if apart <= _TOLERANCE * largest:
            return session
        if bool(expected.isfinite().all()):  # a network that diverged is reported by those who ask it
            warnings.warn(f"onnxruntime's features are up to {apart:.2g} from torch's; torch computes", stacklevel=2)
        return None
