"""The folder of what must outlive a restart, and the token in it."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from edgecnn.atomic import atomic_path, make_folder
from edgecnn.errors import OutputError, UsageError
from edgecnn.folder_lock import FolderInUseError, folder_lock
from edgecnn.serving.secret_file import read_secret_file
from edgecnn.serving.settings.settings import Settings

__all__ = ["TOKEN_FILE", "own_state", "read_token", "state_folder", "warn_of_shared_token"]

TOKEN_FILE = "token"  # noqa: S105  # its name

log = logging.getLogger("edgecnn")

_LEAST_LETTERS = 16


def state_folder(settings: Settings) -> Path:
    """The folder: that of the settings, else systemd's StateDirectory, else the user's. It is made if need be, readable
    for its owner alone.

    Raises:
        OutputError: it cannot be made.
    """
    if settings.state_dir is not None:
        folder = settings.state_dir
    elif given := os.environ.get("STATE_DIRECTORY"):
        folder = Path(given.partition(":")[0])
    else:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        folder = Path(home) / "edgecnn" / f"port-{settings.port}"
    make_folder(folder, private=True)
    return folder


@contextmanager
def own_state(folder: Path) -> Iterator[None]:
    """Holds the state folder: of two services in one folder, each would undo the swaps and regions of the other.

    A folder that cannot be written, as on a full disk or a read-only one, is no reason to decide on no frame: it is
    reported, and held without a lock.

    Raises:
        FolderInUseError: another service holds it.
    """
    with ExitStack() as held:
        try:
            held.enter_context(folder_lock(folder, "state_dir", lambda line: log.warning("%s", line)))
        except FolderInUseError:
            raise
        except OutputError as error:
            log.warning("%s; until then, swaps and drawn regions are refused", error)
        yield


def read_token(settings: Settings, folder: Path) -> str:
    """The token: that of ``token_file``, else that in the state folder, which is made at the first start.

    Raises:
        InputNotFoundError: ``token_file`` cannot be read.
        UsageError: the token is too short to be safe.
        OutputError: the new token cannot be written.
    """
    path = _token_path(settings, folder)
    # Path.exists raises an error where the folder may not be searched; the writing below tells that
    if settings.token_file is None and not os.path.exists(path):  # noqa: PTH110
        with atomic_path(path, private=True) as temporary:
            temporary.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    token = read_secret_file(path, "the token", "write one there").strip()
    if len(token) < _LEAST_LETTERS or not token.isascii() or not token.isprintable():
        raise UsageError(
            f"{path}: the token has {len(token)} characters, expected at least {_LEAST_LETTERS} printable ASCII ones; "
            "`openssl rand -base64 24` makes one"
        )
    return token


def warn_of_shared_token(settings: Settings, folder: Path) -> None:
    """Reports a token that every user of the machine may read."""
    path = _token_path(settings, folder)
    with suppress(OSError):
        if path.stat().st_mode & 0o007:
            log.warning("%s: every user of this machine can use this token; protect it with `chmod 600`", path)


def _token_path(settings: Settings, folder: Path) -> Path:
    return settings.token_file or folder / TOKEN_FILE
