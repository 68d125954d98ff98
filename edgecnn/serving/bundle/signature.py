"""The signature of a bundle: OpenSSF Model Signing over its whole folder, with an elliptic-curve key.

The ``model_signing`` program verifies it too. The library is imported where it is used: it takes a third of a second.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.error_text import first_line
from edgecnn.errors import InputNotFoundError, MissingExtraError, UsageError
from edgecnn.serving.bundle.folder import read_file

if TYPE_CHECKING:
    from model_signing.hashing import Config as HashingConfig
    from model_signing.signing import Config as SigningConfig
    from model_signing.verifying import Config as VerifyingConfig

__all__ = ["SIGNATURE", "SignatureFaultError", "open_public_key", "open_signing_key", "sign_folder", "verify_signature"]

SIGNATURE = "model.sig"
_MAX_SIGNATURE_BYTES = 8 << 20  # it names every file: 10,000 take 3 MB
_MAX_KEY_BYTES = 64 << 10
_NO_SIGNATURE = "the file is no signature of OpenSSF Model Signing"


class SignatureFaultError(Exception):
    """The signature is missing, no signature, or not of this content and this key; the text says which."""


def open_signing_key(key: Path) -> SigningConfig:
    """A signer with the private key in a PEM file.

    Raises :class:`InputNotFoundError`, :class:`UsageError` or :class:`MissingExtraError`.
    """
    _check_key(key, "--sign")
    try:
        from model_signing.signing import Config  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(error) from error
    with _refused_key(
        f"--sign {key}: is no unencrypted private key of the curves P-256, P-384 or P-521 in PEM form",
        "make one with openssl ecparam -genkey -name prime256v1 -noout -out KEY",
    ):
        return Config().use_elliptic_key_signer(private_key=key)


def open_public_key(key: Path) -> VerifyingConfig:
    """A verifier with the public key in a PEM file.

    Raises :class:`InputNotFoundError`, :class:`UsageError` or :class:`MissingExtraError`.
    """
    _check_key(key, "--key")
    try:
        from model_signing.verifying import Config  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(error) from error
    with _refused_key(
        f"--key {key}: is no public key of the curves P-256, P-384 or P-521 in PEM form",
        "make it from the private key with openssl ec -in PRIVATE -pubout -out PUBLIC",
    ):
        return Config().use_elliptic_key_verifier(public_key=key)


@contextmanager
def _refused_key(what: str, remedy: str) -> Iterator[None]:
    """Whatever reading a key raises, as one line: each reader of keys has its own errors."""
    try:
        yield
    except Exception as error:
        raise UsageError(f"{what} ({first_line(error)}); {remedy}") from error


def sign_folder(folder: Path, signer: SigningConfig) -> None:
    """Writes ``model.sig`` into a folder: it covers every other file there."""
    signer.set_hashing_config(_hashing()).sign(folder, folder / SIGNATURE)


def verify_signature(folder: Path, verifier: VerifyingConfig) -> None:
    """Verifies ``model.sig`` over all files of a folder, which must hold plain files alone.

    Raises :class:`SignatureFaultError`.
    """
    _check_form(folder)
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # of the extra `serve`
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        with redirect_stdout(io.StringIO()):  # the library prints warnings there
            verifier.set_hashing_config(_hashing()).verify(folder, folder / SIGNATURE)
    except InvalidSignature as error:
        raise SignatureFaultError("the signature was not made with this key, or it was changed") from error
    except ValidationError as error:  # its first line names a class of the library
        raise SignatureFaultError(_NO_SIGNATURE) from error
    except Exception as error:  # whatever the library makes of nonsense, it is not verified
        raise SignatureFaultError(f"the signature does not verify: {first_line(error)}") from error


def _check_form(folder: Path) -> None:
    """That the file can be a signature, before a library reads it."""
    try:
        content = read_file(folder, SIGNATURE, _MAX_SIGNATURE_BYTES)
    except FileNotFoundError as error:
        raise SignatureFaultError("the bundle is not signed") from error
    except OSError as error:
        raise SignatureFaultError(f"the signature cannot be read: {error.strerror}") from error
    if len(content) > _MAX_SIGNATURE_BYTES:
        raise SignatureFaultError(f"the signature is larger than {_MAX_SIGNATURE_BYTES >> 20} MiB")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SignatureFaultError(_NO_SIGNATURE) from error
    if not isinstance(found, dict) or not {"verificationMaterial", "dsseEnvelope"} <= found.keys():
        raise SignatureFaultError(_NO_SIGNATURE)


def _hashing() -> HashingConfig:
    """All files count, those of git too, which the library leaves out by default."""
    from model_signing.hashing import Config  # noqa: PLC0415

    return Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _check_key(key: Path, option: str) -> None:
    if not key.is_file():
        raise InputNotFoundError(f"{option} {key}: no such key file; check the path")
    if key.stat().st_size > _MAX_KEY_BYTES:
        raise UsageError(f"{option} {key}: is too large for a key; give a PEM file")


def _not_installed(error: ImportError) -> MissingExtraError:
    return MissingExtraError(f"signatures need {error.name}, not installed here; run pip install 'edgecnn[serve]'")
