"""Model files on a Hugging Face hub: ``hf://OWNER/NAME[@REVISION][/FILE]``.

``huggingface_hub`` fetches the file into its own cache. What it fetches is somebody else's: the runner opens it as any
file that it does not know (:mod:`edgecnn.runtime.admission`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote

from edgecnn.errors import EdgeCNNError, InputNotFoundError, MissingExtraError, ModelError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["HubModel", "fetched"]

_PART = r"[\w][\w.-]*"
_ADDRESS = re.compile(rf"hf://(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[^/@]+))?(?:/(?P<file>.+))?")
_FORM = "hf://OWNER/NAME, hf://OWNER/NAME/FILE.onnx or hf://OWNER/NAME@REVISION"
_OF_THE_HUB = ("huggingface_hub", "httpx", "httpcore", "requests")  # whose errors tell of the hub or of the way there
_SHOWN = 5  # names of files in a message
_ANSWER_S = 10.0  # in which the hub has to answer


@dataclass(frozen=True)
class HubModel:
    """Where a model file is on the hub."""

    repo: str  # OWNER/NAME
    revision: str | None = None  # a branch, a tag or a commit; None: the main branch
    file: str | None = None  # its path in the repository; None: the only model file there

    @classmethod
    def parse(cls, address: str | os.PathLike[str]) -> HubModel:
        """Reads an address. A path has one slash behind ``hf:``.

        Raises:
            UsageError: it names no repository, or a file that is no ``.onnx`` file.
        """
        text = re.sub("^hf:/*", "hf://", PurePath(address).as_posix())
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise UsageError(f"{text}: is not the address of a model on a hub; expected {_FORM}")
        if found["file"] is not None and not found["file"].endswith(".onnx"):
            raise UsageError(f"{text}: {found['file']} is not a model file; give a .onnx file of that repository")
        return cls(found["repo"], None if found["revision"] is None else unquote(found["revision"]), found["file"])

    def __str__(self) -> str:
        """The address without its file."""
        return f"hf://{self.repo}{'' if self.revision is None else f'@{self.revision}'}"


def fetched(address: str | os.PathLike[str]) -> Path:
    """The file in the cache of ``huggingface_hub``, downloaded unless it is there.

    Raises:
        UsageError: the address is none of a model, or the repository has several model files.
        MissingExtraError: ``huggingface_hub`` is not installed.
        InputNotFoundError: there is no such repository, revision or model file.
        ModelError: the hub cannot be reached, refuses, or breaks off.
    """
    model = HubModel.parse(address)
    hub = _hub(model)
    try:
        file = model.file or _only_model_file(model, _files(model, hub))
        return Path(_download(model, hub, file))
    except EdgeCNNError:
        raise
    except Exception as error:  # noqa: BLE001  # the hub's errors are of several packages; others are raised again
        _raise_told(model, hub, error)


def _files(model: HubModel, hub: ModuleType) -> list[str]:
    """Paths of the repository's files. Asked once: the package's listing of a tree tries for 23 seconds."""
    found = hub.HfApi().model_info(model.repo, revision=model.revision, timeout=_ANSWER_S)
    return [file.rfilename for file in found.siblings or ()]


def _download(model: HubModel, hub: ModuleType, file: str) -> str:
    """Its path in the cache; the cached one where the hub is away."""
    download = partial(hub.hf_hub_download, model.repo, file, revision=model.revision)
    try:  # before the package does, which tries for 23 seconds
        hub.get_hf_file_metadata(hub.hf_hub_url(model.repo, file, revision=model.revision), timeout=_ANSWER_S)
    except Exception as error:
        if _has_answered(hub, error):
            raise
        try:
            return str(download(local_files_only=True))
        except hub.errors.LocalEntryNotFoundError:
            raise error from None
    return str(download())


def _has_answered(hub: ModuleType, error: Exception) -> bool:
    """Whether the hub itself says so, and not that it is out of order."""
    return isinstance(error, hub.errors.HfHubHTTPError) and error.response.status_code < 500


def _hub(model: HubModel) -> ModuleType:
    # Reports how often it is used otherwise; it reads this when it is imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub  # noqa: PLC0415  # not part of any installation of EdgeCNN
    except ImportError as error:
        raise MissingExtraError(
            f"{model}: huggingface_hub, which fetches models from a hub, is not installed; "
            "pip install huggingface_hub, or download the .onnx file and give its path"
        ) from error
    hub: ModuleType = huggingface_hub
    return hub


def _only_model_file(model: HubModel, files: list[str]) -> str:
    found = sorted(name for name in files if name.endswith(".onnx"))
    if not found:
        raise InputNotFoundError(f"{model}: has no .onnx file; check the address")
    if len(found) > 1:
        more = "" if len(found) <= _SHOWN else f" and {len(found) - _SHOWN} more"
        raise UsageError(
            f"{model}: has {len(found)} model files ({', '.join(found[:_SHOWN])}{more}); name one: {model}/{found[0]}"
        )
    return found[0]


def _raise_told(model: HubModel, hub: ModuleType, error: Exception) -> NoReturn:
    """Raises an error of the hub as one that says what to do, any other as it is."""
    errors = hub.errors
    where = str(model) if model.file is None else f"{model}/{model.file}"
    if isinstance(error, errors.GatedRepoError):
        raise ModelError(
            f"{model}: its owner gives access on request; ask there, then log in with `hf auth login`"
        ) from error
    if isinstance(error, errors.RepositoryNotFoundError):
        raise InputNotFoundError(
            f"{model}: there is no such repository, or it is private; check the address, or log in with `hf auth login`"
        ) from error
    if isinstance(error, errors.RevisionNotFoundError):
        raise InputNotFoundError(f"{model}: the repository has no such revision; check what stands behind @") from error
    if isinstance(error, errors.LocalEntryNotFoundError):  # before its parent: it tells of the network, not of the hub
        raise _unreachable(where, error) from error
    if isinstance(error, errors.EntryNotFoundError):
        raise InputNotFoundError(f"{where}: the repository has no such file; check the path") from error
    if isinstance(error, errors.HFValidationError):
        raise UsageError(f"{where}: is not the address of a model on a hub; expected {_FORM}") from error
    if isinstance(error, OSError) or type(error).__module__.startswith(_OF_THE_HUB):
        raise _unreachable(where, error) from error
    raise error


def _unreachable(where: str, error: Exception) -> ModelError:
    why = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return ModelError(
        f"{where}: cannot be fetched: {why}; check the network, or download the .onnx file and give its path"
    )
