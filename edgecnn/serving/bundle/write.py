"""``edgecnn bundle``: checks a model in full and writes the folder for a device, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn._version import __version__
from edgecnn.atomic import flush, make_folder
from edgecnn.errors import ModelError, OutputError, UsageError
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.serving.bundle.configuration import BundledConfiguration, bundled_configuration
from edgecnn.serving.bundle.deployment_files import DOCKERFILE, README, UNIT, WHEELS, dockerfile, readme, systemd_unit
from edgecnn.serving.bundle.exchange import exchange
from edgecnn.serving.bundle.folder import examine_folder, read_file, sha256_of
from edgecnn.serving.bundle.index import INDEX, MAX_INDEX_BYTES, NEWEST_VERSION, BundleIndex, IndexFaultError
from edgecnn.serving.bundle.packages import Package, packages_for, requirements_text
from edgecnn.serving.bundle.sbom import SBOM, sbom_json
from edgecnn.serving.bundle.signature import open_signing_key, sign_folder
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.wheels import check_own_wheel, collect_wheels

if TYPE_CHECKING:
    from model_signing.signing import Config as SigningConfig

__all__ = ["BundleRequest", "WrittenBundle", "write_bundle"]

CONFIGURATION = "edgecnn.toml"
REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True, kw_only=True)
class BundleRequest:
    """What a bundle is made of."""

    model: Path
    out: Path
    target: Target
    config: Path | None = None
    sign: Path | None = None  # the private key, PEM
    wheels: bool = False
    edgecnn_wheel: Path | None = None  # None: built from the repository
    version: int | None = None  # None: the seconds since 1970, and more than the bundle that is replaced has
    support_until: date | None = None
    force: bool = False  # replace a bundle


@dataclass(frozen=True)
class WrittenBundle:
    """A bundle on disk."""

    dir: Path
    files: tuple[str, ...]
    signed: bool
    sbom: Path
    version: int
    passwords: int  # addresses in its configuration that hold a password


@dataclass(frozen=True)
class _Parts:
    """Everything that is known before the first file is written."""

    configuration: BundledConfiguration
    models: Mapping[str, ModelFile]  # by their names in the bundle
    packages: Sequence[Package]
    signer: SigningConfig | None
    version: int


def write_bundle(request: BundleRequest, reporter: Reporter | None = None) -> WrittenBundle:
    """Checks the models (manifest, trial run, golden samples) and writes the bundle.

    Raises:
        InputNotFoundError, ModelError, UsageError: the model, the configuration, the key or an option cannot be used.
        GateError: a model has no golden samples, or they fail on this machine.
        MissingExtraError: a package that the bundle names is not installed here.
        OutputError: the folder holds something else, or a bundle and ``force`` is not set; the wheels cannot be
            downloaded; the disk is full. The folder stays as it was.
    """
    reporter = reporter or Silent()
    out = Path(os.path.realpath(request.out))
    parts = _parts(request, _replaced(out, force=request.force))
    with _written_whole(out) as folder:
        hashes: Mapping[str, str] = {}
        if request.wheels:
            progress = reporter.stage("downloading wheels")
            progress(0, 1)
            hashes = collect_wheels(parts.packages, request.target, folder / WHEELS, request.edgecnn_wheel)
            progress(1, 1)
        _write_files(folder, request, parts, hashes)
        if parts.signer is not None:
            sign_folder(folder, parts.signer)
    files = tuple(sorted(examine_folder(out).files))
    return WrittenBundle(
        request.out, files, parts.signer is not None, request.out / SBOM, parts.version, parts.configuration.passwords
    )


def _parts(request: BundleRequest, replaced: int) -> _Parts:
    version = _version(request.version, replaced)
    signer = None if request.sign is None else open_signing_key(request.sign)
    if request.edgecnn_wheel is not None:
        if not request.wheels:
            raise UsageError("--edgecnn-wheel goes with --wheels; give both or neither")
        check_own_wheel(request.edgecnn_wheel)
    configuration = bundled_configuration(request.config, request.model)
    packages = packages_for(request.target)
    models = {model.file: _checked(model.path) for model in configuration.models}
    return _Parts(configuration, models, packages, signer, version)


def _version(given: int | None, replaced: int) -> int:
    if given is None:
        return max(int(datetime.now(timezone.utc).timestamp()), replaced + 1)
    if not 0 < given <= NEWEST_VERSION:
        raise UsageError(f"--version {given}: expected a number from 1 to {NEWEST_VERSION}")
    if given <= replaced:
        raise UsageError(f"--version {given}: the bundle in this folder has {replaced}; give a larger number")
    return given


def _checked(path: Path) -> ModelFile:
    """Reads a model once, so that the bytes checked are those in the bundle."""
    model = read_model_file(path)
    session = open_session(model, "cpu", prove=True)
    if session.form == "clip":
        raise ModelError(f"{path}: takes whole clips, which a service has not; give the step file that export wrote")
    return model


def _replaced(out: Path, *, force: bool) -> int:
    """The version of the bundle that ``out`` holds; 0 where there is none. Raises :class:`OutputError`."""
    if not out.exists():
        return 0
    if not out.is_dir():
        raise OutputError(f"{out}: is a file, not a folder; choose another -o DIR")
    try:
        if not any(out.iterdir()):
            return 0
        version = BundleIndex.from_json(read_file(out, INDEX, MAX_INDEX_BYTES)).version
    except (OSError, IndexFaultError) as error:
        raise OutputError(
            f"{out}: is a folder that holds something else than a bundle; choose another -o DIR"
        ) from error
    if not force:
        raise OutputError(
            f"{out}: holds a bundle, version {version}; replace it with --force, or choose another -o DIR"
        )
    return version


def _write_files(folder: Path, request: BundleRequest, parts: _Parts, hashes: Mapping[str, str]) -> None:
    """All files but the signature; the index last."""
    target, configuration, signed = request.target, parts.configuration, parts.signer is not None
    for name, model in parts.models.items():
        (folder / name).write_bytes(model.content)
    for other in configuration.others:
        (folder / other.file).write_bytes(other.path.read_bytes())
    index = BundleIndex(
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        edgecnn=__version__,
        target=target.name,
        python=target.python,
        version=parts.version,
        support_until=None if request.support_until is None else request.support_until.isoformat(),
        files={},
    )
    models = {name: model.sha256 for name, model in parts.models.items()}
    texts = {
        CONFIGURATION: configuration.text,
        UNIT: systemd_unit(signed=signed),
        DOCKERFILE: dockerfile(target, parts.version, configuration, wheels=request.wheels),
        REQUIREMENTS: requirements_text(parts.packages, target, hashes),
        SBOM: sbom_json(parts.packages, models, parts.version),
        README: readme(index, target, configuration, signed=signed, wheels=request.wheels),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    content = examine_folder(folder)
    if content.findings:  # bundle-verify would refuse it
        raise OutputError(f"{request.out}: not written: {content.findings[0].what}; leave models or wheels out")
    files = {name: sha256_of(folder, name) for name in sorted(content.files)}
    (folder / INDEX).write_text(index.with_files(files).to_json(), encoding="utf-8")


@contextmanager
def _written_whole(out: Path) -> Iterator[Path]:
    """Yields a folder beside ``out`` that takes its place on success, flushed to disk. Raises :class:`OutputError`."""
    make_folder(out.parent)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise _cannot_write(out, error) from error
    folder, old = temporary / "new" / out.name, temporary / "old"
    try:
        folder.mkdir(parents=True)
        yield folder
        _flush_all(folder)
        _take_place(folder, out, old)
        flush(out.parent)
    except OutputError:
        raise
    except OSError as error:
        raise _cannot_write(out, error) from error
    finally:
        if out.exists() or not old.exists():  # else the only copy of the old bundle is in there
            shutil.rmtree(temporary, ignore_errors=True)


def _take_place(folder: Path, out: Path, old: Path) -> None:
    """Puts ``folder`` at ``out``; what stood there is removed after that, or comes back where that fails.

    Where the system cannot exchange two folders, a kill between two renames leaves none at ``out``, and the old one in
    the temporary folder beside it.
    """
    if out.exists() and exchange(folder, out):
        return
    try:
        if out.exists():
            out.rename(old)
        folder.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)


def _flush_all(folder: Path) -> None:
    """Everything on disk, readable for the user that the service runs as."""
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o755 if path.is_dir() else 0o644)
        flush(path)


def _cannot_write(out: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{out}: cannot be written: {error.strerror or error}; free disk space, allow writing there, or choose another "
        "-o DIR"
    )
