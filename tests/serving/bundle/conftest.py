"""Keys and a signed bundle of the tiny model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from signing_keys import KeyPair, make_keys

from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.write import BundleRequest, write_bundle


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keys(tmp_path_factory.mktemp("keys"), "signing")


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keys(tmp_path_factory.mktemp("keys"), "other")


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, keys: KeyPair) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "device"
    write_bundle(BundleRequest(model=tiny_model, out=out, target=Target("linux-aarch64"), sign=keys.private, version=7))
    return out


@pytest.fixture
def bundle(_made: Path, tmp_path: Path) -> Path:
    """A signed bundle, version 7, that the test may change."""
    return Path(shutil.copytree(_made, tmp_path / "device"))
