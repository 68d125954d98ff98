"""The old name of :mod:`edgecnn.training.torch_backend`, kept for programs that import it."""

from edgecnn.training.torch_backend import TorchBackend, open_checkpoint

__all__ = ["TorchBackend", "TorchJudge", "open_checkpoint"]

TorchJudge = TorchBackend  # its old name
