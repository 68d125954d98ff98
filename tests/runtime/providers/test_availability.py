"""Why a provider is not here is told by what keeps it away: the package, a library, the driver, the machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgecnn.runtime.providers import availability as provider_reasons
from edgecnn.runtime.providers import plugins
from edgecnn.runtime.providers.availability import (
    Machine,
    Reason,
    missing_in,
    missing_library,
    missing_providers,
    this_machine,
)
from edgecnn.runtime.providers.registry import PROVIDERS, available

PLAIN = Machine("Linux", x86=True, intel=False, snapdragon=False, nvidia="none")
HERE = {p.name for p in available()}


def built_in(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """These providers and no others, whatever is installed here."""
    monkeypatch.setattr(provider_reasons, "available", lambda: tuple(PROVIDERS[name] for name in names))
    monkeypatch.setattr(plugins, "is_installed", lambda module: False)


def reasons(machine: Machine, library: str | None = None) -> dict[str, Reason]:
    return {reason.provider: reason for reason in missing_providers(machine, lambda provider: library)}


def test_the_cpu_never_lacks_anything() -> None:
    assert "cpu" not in {reason.provider for reason in missing_providers()}


def test_every_provider_is_here_or_has_a_reason() -> None:
    told = {reason.provider: reason for reason in missing_providers()}
    assert set(told) | HERE >= set(PROVIDERS)
    assert all(reason.what for reason in told.values())


def test_what_the_machine_is_not_made_for_names_what_it_would_have_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in(monkeypatch, "cpu")
    told = reasons(PLAIN)
    assert {name: reason.what for name, reason in told.items()} == {
        "tensorrt": "an NVIDIA GPU",
        "cuda": "an NVIDIA GPU",
        "coreml": "macOS",
        "directml": "Windows",
        "openvino": "an Intel processor",
        "qnn": "a Snapdragon processor",
        "xnnpack": "an ARM processor",
    }
    assert all((reason.kind, reason.remedy) == ("hardware", "") for reason in told.values())


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine("Linux", x86=True, intel=False, snapdragon=False, nvidia="driver"), "cuda"),
        (Machine("Linux", x86=True, intel=True, snapdragon=False, nvidia="none"), "openvino"),
        (Machine("Darwin", x86=False, intel=False, snapdragon=False, nvidia="none"), "coreml"),
        (Machine("Windows", x86=True, intel=False, snapdragon=False, nvidia="none"), "directml"),
        (Machine("Windows", x86=False, intel=False, snapdragon=True, nvidia="none"), "qnn"),
        (Machine("Linux", x86=False, intel=False, snapdragon=False, nvidia="none"), "xnnpack"),
    ],
)
def test_what_fits_the_machine_and_is_not_built_in_names_the_package(
    machine: Machine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in(monkeypatch, "cpu")
    reason = reasons(machine)[name]
    assert (reason.kind, reason.remedy) == ("package", PROVIDERS[name].remedy)
    assert PROVIDERS[name].full_name in reason.what or name in reason.what


def test_a_gpu_without_its_driver_asks_for_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in(monkeypatch, "cpu")
    reason = reasons(Machine("Linux", x86=True, intel=False, snapdragon=False, nvidia="device"))["cuda"]
    assert reason.kind == "driver"
    assert "driver" in reason.remedy


@pytest.mark.parametrize(
    ("library", "remedy"),
    [
        ("libcudnn.so.9", "onnxruntime-gpu[cuda,cudnn]"),
        ("libnvinfer.so.10", "TensorRT"),
        ("libcuda.so.1", "--gpus all"),
        ("libx.so", "onnxruntime-gpu"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_brings_it(
    library: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in(monkeypatch, "cuda", "cpu")
    reason = reasons(Machine("Linux", x86=True, intel=False, snapdragon=False, nvidia="driver"), library)["cuda"]
    assert (reason.kind, reason.what) == ("library", f"the library {library} cannot be loaded")
    assert remedy in reason.remedy


def test_what_is_built_in_and_loads_has_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in(monkeypatch, "cuda", "openvino", "cpu")
    assert "cuda" not in reasons(Machine("Linux", x86=True, intel=False, snapdragon=False, nvidia="driver"))
    assert "openvino" not in reasons(PLAIN)  # built in, it runs on any processor


def test_an_onnxruntime_for_gpus_on_a_machine_without_one_does_not_claim_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in(monkeypatch, "tensorrt", "cuda", "cpu")
    assert reasons(PLAIN)["cuda"].kind == "hardware"


def test_providers_without_a_library_of_their_own_lack_none() -> None:
    assert missing_library(PROVIDERS["cpu"]) is None


# The real loader


@pytest.fixture
def compiler() -> str:
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("no C compiler to make a library with")
    return found


def test_the_loader_names_a_library_that_another_needs(compiler: str, tmp_path: Path) -> None:
    for name in ("needed", "provider"):
        (tmp_path / f"{name}.c").write_text(f"int {name}(void) {{ return 1; }}\n")
    needed, provider = tmp_path / "libneeded.so.9", tmp_path / "libonnxruntime_providers_x.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-Wl,-soname,{needed.name}", "-o", needed, tmp_path / "needed.c"], check=True
    )
    linked = [
        compiler,
        "-shared",
        "-fPIC",
        "-Wl,--no-as-needed",
        "-o",
        provider,
        tmp_path / "provider.c",
        needed,
        f"-Wl,-rpath,{tmp_path}",
    ]
    subprocess.run(linked, check=True)
    assert missing_in(provider) is None
    assert missing_in(provider, "libnowhere.so.1") == "libnowhere.so.1"
    needed.unlink()
    assert missing_in(provider) == "libneeded.so.9"


def test_a_file_that_is_no_library_is_told_as_such(tmp_path: Path) -> None:
    broken = tmp_path / "libonnxruntime_providers_x.so"
    broken.write_bytes(b"cut short")
    assert missing_in(broken).startswith("libonnxruntime_providers_x.so (")


# What the machine is


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_an_nvidia_gpu_is_told_by_its_driver_or_by_the_bus(tmp_path: Path) -> None:
    assert this_machine(tmp_path / "bare").nvidia == "none"
    write(tmp_path / "bus/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    write(tmp_path / "bus/sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n")
    assert this_machine(tmp_path / "bus").nvidia == "device"
    write(tmp_path / "sound/sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n")
    write(tmp_path / "sound/sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n")  # a graphics card's sound
    assert this_machine(tmp_path / "sound").nvidia == "none"
    write(tmp_path / "driver/proc/driver/nvidia/version", "NVRM version: 580\n")
    assert this_machine(tmp_path / "driver").nvidia == "driver"
    write(tmp_path / "jetson/dev/nvhost-ctrl-gpu", "")
    assert this_machine(tmp_path / "jetson").nvidia == "driver"


def test_a_snapdragon_is_told_by_its_device_tree(tmp_path: Path) -> None:
    write(tmp_path / "proc/device-tree/compatible", "radxa,dragon-q6a\0qcom,qcs6490\0")
    assert this_machine(tmp_path).snapdragon
