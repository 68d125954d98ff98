"""The pinned packages: those that pip would install on the target, in the versions that are installed here."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edgecnn import __version__
from edgecnn.errors import InputNotFoundError, MissingExtraError, OutputError, UsageError
from edgecnn.runtime.system import python_interpreter
from edgecnn.serving.bundle import wheels
from edgecnn.serving.bundle.packages import Package, packages_for, requirements_text
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.wheels import collect_wheels

DEVICE = Target("linux-aarch64", "3.12")


def test_every_package_of_the_service_is_pinned_as_it_is_installed() -> None:
    packages = {package.name: package for package in packages_for(Target("linux-aarch64"))}
    assert next(iter(packages)) == "edgecnn"
    assert {"numpy", "onnxruntime", "starlette", "uvicorn", "model-signing", "cryptography"} <= packages.keys()
    assert not {"torch", "onnx", "matplotlib", "pytest"} & packages.keys()
    for name, package in packages.items():
        assert package.version == metadata.version(name)
        assert set(package.requires) <= packages.keys()


def write_distribution(folder: Path, name: str, version: str, *requires: str, extras: tuple[str, ...] = ()) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {text}" for text in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for site-packages."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_markers_are_those_of_the_target(installed: Path) -> None:
    write_distribution(
        installed,
        "edgecnn",
        "1.0",
        'arm; platform_machine == "aarch64"',
        'intel; platform_machine == "x86_64"',
        'old; python_version < "3.12"',
        'windows; sys_platform == "win32"',
        'Fancy.Web[fast]>=1; extra == "serve"',
        'trainer; extra == "train"',
        extras=("serve", "train"),
    )
    write_distribution(installed, "arm", "1.1")
    write_distribution(installed, "fancy_web", "2.0", 'speed; extra == "fast"', "edgecnn", 'slow; extra == "other"')
    write_distribution(installed, "speed", "3.0")
    packages = packages_for(DEVICE)
    assert [(p.name, p.version) for p in packages] == [
        ("edgecnn", "1.0"), ("arm", "1.1"), ("fancy-web", "2.0"), ("speed", "3.0"),
    ]  # fmt: skip
    assert packages[0].requires == ("arm", "fancy-web")
    assert requirements_text(packages, DEVICE, {}).splitlines()[1:] == [
        "edgecnn[serve]==1.0", "arm==1.1", "fancy-web==2.0", "speed==3.0",
    ]  # fmt: skip


def test_a_package_that_only_the_target_needs_is_named(installed: Path) -> None:
    write_distribution(installed, "edgecnn", "1.0", 'arm; platform_machine == "aarch64"', extras=("serve",))
    with pytest.raises(MissingExtraError, match="arm: linux-aarch64 with Python 3.12 needs it"):
        packages_for(DEVICE)
    assert [p.name for p in packages_for(Target("linux-x86_64", "3.12"))] == ["edgecnn"]


def test_an_edgecnn_without_the_extra_is_named(installed: Path) -> None:
    write_distribution(installed, "edgecnn", "1.0")
    with pytest.raises(MissingExtraError, match="no extra 'serve'"):
        packages_for(DEVICE)


def write_wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any") -> Path:
    import zipfile

    folder.mkdir(exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file.writestr(f"{name}-{version}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{name}-{version}.dist-info/RECORD", "")
    return wheel


@pytest.fixture
def pip_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which pip finds packages; it reads no configuration of this machine."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


PACKAGES = tuple(
    Package(name, version, None, ()) for name, version in (("edgecnn", __version__), ("pure", "1.0"), ("native", "2.0"))
)


def test_wheels_of_the_target_install_offline_by_their_hashes(
    pip_finds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(pip_finds, "pure", "1.0")
    write_wheel(pip_finds, "native", "2.0", "cp312-cp312-manylinux_2_28_x86_64")
    write_wheel(pip_finds, "native", "2.0", "cp312-cp312-manylinux_2_28_aarch64")
    write_wheel(pip_finds, "native", "2.0", "cp311-cp311-manylinux_2_28_aarch64")
    own = write_wheel(tmp_path / "own", "edgecnn", __version__)
    folder = tmp_path / "wheels"
    hashes = collect_wheels(PACKAGES, DEVICE, folder, own)
    assert {wheel.name for wheel in folder.iterdir()} == {
        own.name, "pure-1.0-py3-none-any.whl", "native-2.0-cp312-cp312-manylinux_2_28_aarch64.whl",
    }  # fmt: skip
    assert hashes.keys() == {"edgecnn", "pure", "native"}
    monkeypatch.delenv("PIP_FIND_LINKS")  # the device has the bundle alone
    text = requirements_text(PACKAGES[:2], DEVICE, hashes)
    assert text.count("--hash=sha256:") == 2
    (tmp_path / "requirements.txt").write_text(text)
    install = ("install", "--no-index", "--find-links", folder, "-r", tmp_path / "requirements.txt", "--no-deps")
    pip = [sys.executable, "-m", "pip", *map(str, install), "--target", str(tmp_path / "installed")]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "pure-1.0-py3-none-any.whl").write_bytes(own.read_bytes())
    done = subprocess.run([*pip, "--upgrade"], capture_output=True, text=True, check=False)
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_without_such_a_wheel_or_a_network_the_line_says_so(pip_finds: Path, tmp_path: Path) -> None:
    write_wheel(pip_finds, "pure", "1.0")
    own = write_wheel(tmp_path / "own", "edgecnn", __version__)
    with pytest.raises(OutputError, match="native==2.0.*without --wheels") as caught:
        collect_wheels(PACKAGES, DEVICE, tmp_path / "wheels", own)
    assert "\n" not in str(caught.value)


def test_edgecnns_own_wheel_must_be_the_one_that_writes(tmp_path: Path) -> None:
    for name, version in (("edgecnn", "0.0.1"), ("other", __version__)):
        with pytest.raises(UsageError, match="expected edgecnn"):
            collect_wheels((), DEVICE, tmp_path / f"w-{name}", write_wheel(tmp_path / "own", name, version))
    (tmp_path / "edgecnn.zip").touch()
    with pytest.raises(UsageError, match="not named as a wheel"):
        collect_wheels((), DEVICE, tmp_path / "w-zip", tmp_path / "edgecnn.zip")
    with pytest.raises(InputNotFoundError):
        collect_wheels((), DEVICE, tmp_path / "w-none", tmp_path / "none.whl")


def test_a_frozen_program_does_not_start_itself_for_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(python_interpreter, "_freeze_supported", True)
    monkeypatch.delenv("EDGECNN_PYTHON", raising=False)
    own = write_wheel(tmp_path / "own", "edgecnn", __version__)
    with pytest.raises(
        UsageError, match="--wheels: pip needs a Python, and this program is frozen; set EDGECNN_PYTHON"
    ):
        collect_wheels(PACKAGES, DEVICE, tmp_path / "wheels", own)


def test_an_installed_copy_says_how_to_build_its_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "_CHECKOUT", tmp_path)  # as where pip copied the package: no pyproject.toml above
    with pytest.raises(UsageError, match=rf"pip wheel --no-deps .* --edgecnn-wheel dist/edgecnn-{__version__}-py3"):
        collect_wheels((), DEVICE, tmp_path / "wheels", None)
