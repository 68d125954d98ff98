"""Makes what a peer opens: its environment and its model file, or the reason why there is none."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from failures import PeerError, run
from peers import HERE, PEERS, Form, Peer
from venvs import Environment, make_environment, peer_environment, source_key

__all__ = ["Contender", "make_base", "make_contenders"]


@dataclass(frozen=True)
class Contender:
    """A peer in one form. ``why_not`` is empty where it can run."""

    peer: Peer
    form: Form
    environment: Environment | None
    model: Path | None
    why_not: str = ""

    @property
    def name(self) -> str:
        """In tables and file names."""
        return f"{self.peer.name} {self.form}"

    @property
    def way(self) -> Path:
        """The code that a user would write."""
        return HERE / "ways" / self.peer.way


def make_base(data: Path, work: Path) -> None:
    """Images, EdgeCNN's files and the network in the forms that users of torch export. Raises :class:`PeerError`."""
    (work / "models").mkdir(parents=True, exist_ok=True)
    files = work / "models" / "edgecnn.float.onnx", work / "models" / "edgecnn.int8.onnx"
    key = _key(data, HERE / "prepare.py")
    _made(work / "truth.json", key, lambda: _prepare("images", data, work))
    program = (sys.executable, "-m", "edgecnn")
    export = (*program, "export", "efficientnet_lite0", "--weights", "imagenet", "--out", files[0])
    _made(files[0], source_key(), lambda: run(*export))
    quantize = (*program, "quantize", files[0], "--data", data, "--out", files[1])
    _made(files[1], key + source_key(), lambda: run(*quantize))
    _made(work / "models" / "calibration.npy", key, lambda: _prepare("network", data, work))


def make_contenders(data: Path, work: Path, only: tuple[str, ...]) -> Iterator[Contender]:
    """One a peer and form, those that do not work here too."""
    for peer in (p for p in PEERS if not only or p.name in only):
        try:
            environment = make_environment(work, _environment_name(peer.requirements, ""), peer.requirements)
        except PeerError as failure:
            yield from (Contender(peer, form, None, None, f"installation: {failure}") for form in peer.forms)
            continue
        for form in peer.forms:
            try:
                yield Contender(peer, form, environment, _make_model(data, work, peer, form))
            except PeerError as failure:
                yield Contender(peer, form, environment, None, str(failure))


def _make_model(data: Path, work: Path, peer: Peer, form: Form) -> Path:
    if peer.missing and form in peer.missing:
        raise PeerError(peer.missing[form])
    model = work / "models" / peer.model.format(form)
    if model.name == "plain.int8.onnx":
        _made(model, _key(data, HERE / "prepare.py"), lambda: _prepare("plain-int8", data, work))
    elif peer.converter is not None:
        script = HERE / "converters" / peer.converter.script
        key = _key(data, HERE / "prepare.py", script) + " ".join(peer.converter.requirements)
        name = _environment_name(peer.converter.requirements, f"{peer.name}-converter")
        converter = make_environment(work, name, peer.converter.requirements)
        command = [converter.python, script, form, model.parent]
        _made(model, key, lambda: run(*command, env=peer_environment(work)))
    return model


def _environment_name(requirements: tuple[str, ...], name: str) -> str:
    """That of the first peer that needs the same: a gigabyte of torch is installed once."""
    return next((p.name.replace(" ", "-") for p in PEERS if p.requirements == requirements), name)


def _made(target: Path, key: str, make: Callable[[], object]) -> None:
    """Makes a file again only where what it comes from has changed."""
    stamp = target.with_name(f"{target.name}.key")
    if target.exists() and stamp.exists() and stamp.read_text() == key:
        return
    print(f"making {target.name}", file=sys.stderr)
    target.unlink(missing_ok=True)
    make()
    if not target.exists():
        raise PeerError(f"{target.name} was not written, and no error told")
    stamp.write_text(key)


def _prepare(what: str, data: Path, work: Path) -> None:
    run(sys.executable, HERE / "prepare.py", what, data, work)


def _key(data: Path, *scripts: Path) -> str:
    images = sorted(f"{p.relative_to(data)} {p.stat().st_size}" for p in data.rglob("*") if p.is_file())
    told = "\n".join([str(data.resolve()), *images, *(script.read_text() for script in scripts)])
    return hashlib.sha256(told.encode()).hexdigest()
