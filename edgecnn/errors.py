"""All errors that EdgeCNN raises for users, and the remedy for each.

    EdgeCNNError                    base class: a one-line message and the exit status of the command line
    ├── UsageError (ValueError)             an argument or option is invalid: correct the call
    ├── InputNotFoundError (FileNotFoundError)  a file or folder does not exist: correct the path
    ├── ImageError (ValueError)             an image cannot be read: replace it or remove it
    ├── DataError (ValueError)              a dataset cannot be used: correct the folder
    ├── ModelError (ValueError)             a model file cannot be used: export it again
    │   └── ManifestError                   its manifest is missing, invalid or of another version
    ├── CheckpointError (ValueError)        a checkpoint cannot be used: use another one, or train again
    ├── ProviderError (RuntimeError)        an execution provider is not available: install it or choose another
    ├── SourceError (ValueError)            a source of images cannot be opened: correct its address
    ├── OutputError (OSError)               an output cannot be written: free disk space, or choose another
    ├── ClusterError (RuntimeError)         a cluster cannot be used: start it, or leave --address out
    ├── TrainingError (RuntimeError)        training cannot continue: the message says what to change
    ├── MissingExtraError (ImportError)     a package is not installed: install the extra that the message names
    └── GateError                           a gate failed: a measured value is outside its limit (exit status 3)

Each class also derives from the matching built-in exception, so that ``except FileNotFoundError`` works as well.
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "ClusterError",
    "DataError",
    "EdgeCNNError",
    "GateError",
    "ImageError",
    "InputNotFoundError",
    "ManifestError",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "ProviderError",
    "SourceError",
    "TrainingError",
    "UsageError",
]


class EdgeCNNError(Exception):
    """Base class of all errors. ``str(error)`` is one line: what failed, where, why, and what to do."""

    exit_status = 2


class UsageError(EdgeCNNError, ValueError):
    """An argument or option has an invalid value."""


class InputNotFoundError(EdgeCNNError, FileNotFoundError):
    """A file or folder that the caller named does not exist."""


class ImageError(EdgeCNNError, ValueError):
    """One image cannot be read: it is not an image, is truncated, or is too large."""


PictureError = ImageError
"""The old name of :class:`ImageError`, kept for programs that catch it."""


class DataError(EdgeCNNError, ValueError):
    """A dataset cannot be used. The message names the folder or file to correct."""


class ModelError(EdgeCNNError, ValueError):
    """A model file cannot be used: export it again, or use another file."""


class ManifestError(ModelError):
    """A model file's manifest is missing, invalid or of another version: export the model again."""


class CheckpointError(EdgeCNNError, ValueError):
    """A checkpoint cannot be used: use another one, or train again."""


class ProviderError(EdgeCNNError, RuntimeError):
    """An execution provider is not available here: install what the message names, or choose another."""


class SourceError(EdgeCNNError, ValueError):
    """A source of images cannot be opened: correct its address."""


class OutputError(EdgeCNNError, OSError):
    """An output cannot be written: free disk space, allow writing, or choose another path."""


class ClusterError(EdgeCNNError, RuntimeError):
    """A Ray cluster cannot be used: start it, correct its address, or use this machine."""


class TrainingError(EdgeCNNError, RuntimeError):
    """Training cannot continue. The message says at which step it stopped and what to change."""


class MissingExtraError(EdgeCNNError, ImportError):
    """A package that this call needs is not installed: install the extra that the message names."""


class GateError(EdgeCNNError):
    """A gate failed: a measured value is outside the required limit."""

    exit_status = 3


class Stopped(SystemExit):
    """The end by a signal such as SIGTERM of what another run can continue.

    Args:
        code: exit status, as of :class:`SystemExit`.
        how_to_continue: what to do, for the last line that the command line prints.
    """

    def __init__(self, code: str | int | None, how_to_continue: str) -> None:
        super().__init__(code)
        self.how_to_continue = how_to_continue
