"""``edgecnn bundle-verify``: refuses a bundle that is unsigned, changed, older, or leads out of its folder.

Nothing in the folder is believed before it is checked: first that it holds plain files alone, then the index, then each
file against the index, then the signature, which covers the index too, and last the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path, PurePosixPath

from edgecnn.data_quality.finding import Finding
from edgecnn.error_text import printable
from edgecnn.errors import InputNotFoundError
from edgecnn.serving.bundle.folder import COPY_AGAIN, FolderContent, examine_folder, read_file, sha256_of
from edgecnn.serving.bundle.index import INDEX, MAX_INDEX_BYTES, BundleIndex, IndexFaultError
from edgecnn.serving.bundle.record import RecordFaultError, VersionRecord
from edgecnn.serving.bundle.signature import SIGNATURE, SignatureFaultError, open_public_key, verify_signature

__all__ = ["Verification", "verify_bundle"]

_MOST_SHOWN = 50


@dataclass(frozen=True)
class Verification:
    """The verdict on a bundle. Every fault refuses it."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the bundle may be installed."""
        return not any(finding.level == "fault" for finding in self.findings)


def verify_bundle(folder: Path, key: Path, record: Path | None = None) -> Verification:
    """Verifies a bundle.

    Args:
        folder: the bundle. It may be a link; nothing in it may.
        key: the public key of whoever made it, in a PEM file, from another place than the bundle.
        record: a file that keeps the newest version verified here. An older bundle is refused; after a success the
            file holds the version of this one. None: any version is accepted.

    Raises:
        InputNotFoundError: there is no such folder or key.
        UsageError: the key is none.
        MissingExtraError: the package that verifies signatures is not installed.
        OutputError: the record cannot be written.
    """
    if not folder.is_dir():
        raise InputNotFoundError(f"{folder}: no such bundle folder; check the path")
    verifier = open_public_key(key)
    root = folder.resolve()
    content = examine_folder(root)
    if content.findings:  # nothing else is read of such a folder
        return Verification(_presentable(content.findings))
    unsigned = SIGNATURE not in content.files
    read = _index(root, content)
    if isinstance(read, Finding):
        return Verification((_unsigned(), read) if unsigned else (read,))
    index, sha256 = read
    findings = [_unsigned()] if unsigned else []
    findings += _presentable(tuple(_differences(root, content, index)))
    if not findings:
        try:
            verify_signature(root, verifier)
        except SignatureFaultError as error:
            findings.append(Finding("fault", str(error), SIGNATURE, "get the bundle from whoever has the private key"))
    if findings:
        return Verification(tuple(findings))
    return _by_version(index, VersionRecord(index.version, sha256), record)


def _unsigned() -> Finding:
    return Finding("fault", "the bundle is not signed", SIGNATURE, "make it with edgecnn bundle --sign KEY")


def _index(root: Path, content: FolderContent) -> tuple[BundleIndex, str] | Finding:
    """The index and its SHA-256."""
    if INDEX not in content.files:
        return Finding("fault", "is missing: the folder is no bundle", INDEX, "give a folder that edgecnn bundle wrote")
    try:
        text = read_file(root, INDEX, MAX_INDEX_BYTES)
        return BundleIndex.from_json(text), hashlib.sha256(text).hexdigest()
    except OSError as error:
        return Finding("fault", f"cannot be read: {error.strerror}", INDEX, "allow this user to read it")
    except IndexFaultError as error:
        return Finding("fault", str(error), INDEX, error.remedy)


def _differences(root: Path, content: FolderContent, index: BundleIndex) -> Iterator[Finding]:
    """What differs between the folder and its index: files that are missing, added or changed."""
    expected = {*index.files, INDEX, SIGNATURE}
    folders = {str(parent) for name in index.files for parent in PurePosixPath(name).parents} - {"."}
    for name in sorted(index.files):
        if name not in content.files:
            yield Finding("fault", "the file is missing", name, COPY_AGAIN)
            continue
        try:
            found = sha256_of(root, name)
        except OSError as error:
            yield Finding("fault", f"cannot be read: {error.strerror}", name, "allow this user to read it")
            continue
        if found != index.files[name]:
            yield Finding("fault", "the file was changed", name, COPY_AGAIN)
    for name in sorted(content.files - expected):
        yield Finding("fault", "the file was added: it does not belong to the bundle", name, COPY_AGAIN)
    for name in sorted(content.folders - folders):
        yield Finding("fault", "the folder was added: it does not belong to the bundle", name, COPY_AGAIN)


def _by_version(index: BundleIndex, this: VersionRecord, record: Path | None) -> Verification:
    """The verdict on a bundle with a valid signature; keeps its version."""
    findings = [Finding("ok", f"signed and unchanged: version {index.version}, {index.target}", INDEX, "")]
    if index.support_until is not None and date.fromisoformat(index.support_until) < _today():
        findings.append(
            Finding("warning", f"its support ended on {index.support_until}", INDEX, "ask its maker for a newer one")
        )
    if record is None:
        return Verification(tuple(findings))
    try:
        last = VersionRecord.load(record)
    except RecordFaultError as error:
        remedy = "restore the record, or delete it if this bundle is the one to begin with"
        return Verification((Finding("fault", f"the record {error}", str(record), remedy),))
    if last is not None and (refusal := _refused(this, last)):
        return Verification((Finding("fault", refusal, INDEX, "make a new bundle: it gets a newer version"),))
    if last != this:
        this.save(record)
    return Verification(tuple(findings))


def _refused(this: VersionRecord, last: VersionRecord) -> str | None:
    if this.version < last.version:
        return f"version {this.version} is older than {last.version}, which was installed here"
    if this.version == last.version and this.sha256 != last.sha256:
        return f"has the version {this.version} of the bundle that was installed here, but another content"
    return None


def _today() -> date:
    return datetime.now(timezone.utc).date()


def _presentable(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The first findings, since a folder of rubbish has thousands; no name of a file is a line of its own."""
    shown = tuple(replace(finding, where=printable(finding.where)) for finding in findings[:_MOST_SHOWN])
    if len(findings) <= _MOST_SHOWN:
        return shown
    more = Finding("fault", f"{len(findings) - _MOST_SHOWN:,} more of them", "the folder", COPY_AGAIN)
    return (*shown, more)
