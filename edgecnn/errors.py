"""Every error a user can meet, and what to do about each.

    EdgeCNNError                    the base: one clear line, and the exit status the command line gives
    ├── UsageError (ValueError)             an argument or option is wrong: correct the call
    ├── InputNotFoundError (FileNotFoundError)  a file or folder is not there: correct the path
    ├── ImageError (ValueError)           an image cannot be read: replace or leave out that image
    ├── DataError (ValueError)              a folder of images cannot be used: mend the folder
    ├── ModelError (ValueError)             a model file cannot be used: export it again
    │   └── ManifestError                   its manifest is missing, broken or of another version
    ├── CheckpointError (ValueError)        a checkpoint cannot be used: take another, or train again
    ├── ProviderError (RuntimeError)        an execution provider cannot be had: install it or name another
    ├── SourceError (ValueError)            a source of images cannot be opened: correct it
    ├── OutputError (OSError)               an output cannot be written: free space, permit, or name another
    ├── TrainingError (RuntimeError)        training cannot go on: the message says what to change
    ├── MissingExtraError (ImportError)     a package is not installed: install the extra it names
    └── GateError                           a measured gate failed: the file was not good enough (exit status 3)

Each derives from the fitting builtin too, so that ``except FileNotFoundError`` works as well.
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
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
    "first_line",
]


class EdgeCNNError(Exception):
    """Base of all errors here; ``str(error)`` is one line: what, where, why, what to do."""

    exit_status = 2


class UsageError(EdgeCNNError, ValueError):
    """An argument or option has a value that cannot be used: correct the call."""


class InputNotFoundError(EdgeCNNError, FileNotFoundError):
    """A file or folder named by the caller does not exist: correct the path."""


class ImageError(EdgeCNNError, ValueError):
    """One image cannot be read (no image, cut short, too large): replace it or leave it out."""


PictureError = ImageError
"""The old name of :class:`ImageError`, kept for programs that catch it."""


class DataError(EdgeCNNError, ValueError):
    """A folder of images cannot be used as it is: mend what the message names."""


class ModelError(EdgeCNNError, ValueError):
    """A model file cannot be used: export it again, or take another file."""


class ManifestError(ModelError):
    """A model file's manifest is missing, broken or of another version: export the model again."""


class CheckpointError(EdgeCNNError, ValueError):
    """A checkpoint cannot be used: take another, or train again."""


class ProviderError(EdgeCNNError, RuntimeError):
    """An execution provider cannot be had here: install what is named, or choose another."""


class SourceError(EdgeCNNError, ValueError):
    """A source of images cannot be opened: correct its name."""


class OutputError(EdgeCNNError, OSError):
    """An output cannot be written: free space, permit writing, or name another place."""


class TrainingError(EdgeCNNError, RuntimeError):
    """Training cannot go on: the message says at which step, and what to change."""


class MissingExtraError(EdgeCNNError, ImportError):
    """A package that this call needs is not installed: install the extra that is named."""


class GateError(EdgeCNNError):
    """A measured gate failed: what was measured did not reach what was asked for."""

    exit_status = 3


def first_line(error: BaseException, longest: int = 160) -> str:
    """What a library's error says, as one line of at most ``longest`` characters; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:longest]
