"""Features and logits of a network that learns nothing meanwhile: in onnxruntime on a CPU, where they agree with torch.

EfficientNet-Lite0 takes onnxruntime half of the time that it takes torch, in bfloat16 too (docs/benchmarks.md).
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edgecnn.training.answers.folded import folded
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.precision import has_bfloat16, mixed_precision
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
        mixed: bfloat16 is wanted, where the device has it and onnxruntime cannot answer.
        at_once: not only where it pays. Then an answer does not depend on how many were asked for before: what a
            network learns from must be the same in a run that was resumed.
    """

    def __init__(self, network: ImageClassifier, *, mixed: bool = False, at_once: bool = False) -> None:
        self._network = network.eval()
        self.device = next(network.parameters()).device
        self.mixed = mixed and has_bfloat16(self.device)
        """Whether features are computed in bfloat16."""
        self._session: onnxruntime.InferenceSession | None = None
        self._torch_only = self.device.type != "cpu" or not (find_spec("onnx") and find_spec("onnxruntime"))
        if not self._torch_only:
            plain = folded(network)
            self._torch_only = self.mixed and _graph(plain) is None
            self.mixed = self._torch_only and self.mixed
            self._network = self._network if self.mixed else plain
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
        with mixed_precision(self.device, wanted=self.mixed):
            return in_small_batches(self._network.features, inputs).float()

    def logits(self, features: Tensor) -> Tensor:
        """Features ``[N, D]`` -> logits ``[N, C]``; ``[N, 1]`` of a one-logit network."""
        with mixed_precision(self.device, wanted=self.mixed):
            found: Tensor = self._network.classifier(features)
        return found

    def _in_onnxruntime(self, inputs: Tensor) -> Tensor:
        assert self._session is not None
        return torch.from_numpy(self._session.run(None, {"image": inputs.contiguous().numpy()})[0])

    def _opened(self, images: Tensor) -> onnxruntime.InferenceSession | None:
        """A session, if it gives torch's features of these images; None for a network that cannot be written so."""
        import onnxruntime  # noqa: PLC0415  # most programs that load this module answer few images

        graph = _graph(self._network)
        if graph is None:
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


def _graph(network: ImageClassifier) -> bytes | None:
    """The network's features as an ONNX file; None where it has layers that cannot be written."""
    from edgecnn.training.answers.onnx_graph import UnknownLayerError, features_graph  # noqa: PLC0415  # imports onnx

    try:
        return features_graph(network)
    except UnknownLayerError:
        return None
