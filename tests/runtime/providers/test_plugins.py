"""Plugin providers are found by their packages and loaded once.

What does not load, or has no device here, says so in a line.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import ProviderError
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.providers import plugins
from edgecnn.runtime.providers.registry import PROVIDERS, available, parse, why_missing
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions

OPENVINO = PROVIDERS["openvino"]
_installed = plugins.is_installed("onnxruntime_ep_openvino")
_why_not = plugins.why_unusable("onnxruntime_ep_openvino") if _installed else "onnxruntime-ep-openvino is not installed"
needs_openvino = pytest.mark.skipif(_why_not is not None, reason=str(_why_not))


def _python(program: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since a registered library stays; with modules of ours on its path."""
    lines = f"import sys\nsys.path[:0] = {[str(p) for p in paths]!r}\n{program}"
    return subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=120, check=False)


def _module(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.py").write_text(text)
    return folder


def test_a_plugin_goes_by_what_follows_the_prefix_or_by_its_module(tmp_path: Path) -> None:
    _module(tmp_path, "onnxruntime_ep_some_chip", "")
    _module(tmp_path, "onnxruntime_other", "")
    program = "from edgecnn.runtime.providers.registry import parse\nprint([(p.name, p.module) for p in parse('some-chip,onnxruntime_other')])"
    done = _python(program, tmp_path)
    assert (
        done.stdout.strip() == "[('some-chip', 'onnxruntime_ep_some_chip'), ('onnxruntime-other', 'onnxruntime_other')]"
    ), done.stderr


@pytest.mark.skipif(not _installed, reason="onnxruntime-ep-openvino is not installed")
def test_a_known_plugin_is_the_same_by_its_module() -> None:
    assert parse("onnxruntime_ep_openvino") == (OPENVINO,)


def test_modules_that_do_not_bear_onnxruntimes_name_are_never_imported() -> None:
    with pytest.raises(ProviderError, match="unknown execution provider 'json'"):
        parse("json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def get_library_path(): return '/gone/plugin.so'", "plugin.so"),
        ("raise RuntimeError('no licence')", "no licence"),
        ("", "does not report the path of its library"),
    ],
)
def test_a_plugin_that_does_not_load_is_one_line_with_the_reason(
    text: str, reason: str, tmp_path: Path, tiny_model: Path
) -> None:
    _module(tmp_path, "onnxruntime_ep_broken", text)
    program = f"""
import logging
from edgecnn.errors import ProviderError
from edgecnn.runtime.session.opening import open_session
try:
    open_session({str(tiny_model)!r}, "broken")
except ProviderError as error:
    print(error)
print(open_session({str(tiny_model)!r}, "auto").ep in ("cpu", "openvino"))
"""
    done = _python(program, tmp_path)
    first, second = done.stdout.splitlines()
    assert first.startswith("--ep broken: onnxruntime_ep_broken cannot be loaded: ")
    assert reason in first
    assert second == "True", done.stderr  # auto passes over it


@pytest.mark.skipif(_installed, reason="onnxruntime-ep-openvino is installed")
def test_without_its_package_openvino_is_an_error_that_names_the_extra(tiny_model: Path) -> None:
    if not OPENVINO.built_in:
        with pytest.raises(
            ProviderError, match=r"onnxruntime-ep-openvino is not installed; pip install 'edgecnn\[openvino\]'"
        ):
            open_session(tiny_model, "openvino")


@pytest.mark.skipif(
    not _installed or _why_not is None, reason="onnxruntime-ep-openvino is not installed, or has a device here"
)
def test_an_installed_plugin_without_a_device_says_so(tiny_model: Path) -> None:
    if not OPENVINO.built_in:
        with pytest.raises(ProviderError, match="finds no supported device"):
            open_session(tiny_model, "openvino")
        assert OPENVINO not in available()


def test_why_a_provider_is_missing_tells_package_from_build() -> None:
    for provider in PROVIDERS.values():
        why = why_missing(provider)
        assert (why is None) == (provider in available()) or "cannot be loaded" in str(why)
        assert why is None or why.endswith(provider.remedy)


@needs_openvino
def test_openvino_runs_the_models_and_passes_their_golden_samples(tiny_model: Path, tiny_int8_model: Path) -> None:
    for path in (tiny_model, tiny_int8_model):
        session = open_session(path, "openvino")
        golden = session.description.golden()
        assert golden is not None
        assert replay(session, golden).passed
        assert session.ep == "openvino"
        assert session.nodes is None or set(session.nodes) == {"openvino"}


@needs_openvino
def test_openvinos_properties_reach_it_and_wrong_ones_are_one_line(tiny_model: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    session = open_session(
        tiny_model, "openvino", options=RunOptions(provider_options={"device_type": "cpu", "NUM_STREAMS": "1"})
    )
    assert session.probabilities(images).shape == (2, 2)
    for wrong in (
        {"nonsense": "1"},
        {"NONSENSE": "1"},
        {"INFERENCE_NUM_THREADS": "many"},
        {"device_type": "TOASTER"},
        {"load_config": "gone.json"},
    ):
        with pytest.raises(ProviderError) as refused:
            open_session(tiny_model, "openvino", options=RunOptions(provider_options=wrong))
        assert next(iter(wrong)) in str(refused.value)
        assert "\n" not in str(refused.value)


@needs_openvino
def test_many_threads_may_ask_for_it_at_once(tiny_model: Path) -> None:
    program = f"""
import threading
from edgecnn.runtime.session.opening import open_session
found = []
threads = [threading.Thread(target=lambda: found.append(open_session({str(tiny_model)!r}, "openvino", 1).ep)) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(found)
"""
    assert _python(program).stdout.strip() == str(["openvino"] * 8)


@needs_openvino
def test_a_plugin_that_the_program_has_registered_itself_is_used_as_it_is(tiny_model: Path) -> None:
    program = f"""
import onnxruntime, onnxruntime_ep_openvino
onnxruntime.register_execution_provider_library("ours", onnxruntime_ep_openvino.get_library_path())
before = len(onnxruntime.get_ep_devices())
from edgecnn.runtime.session.opening import open_session
print(open_session({str(tiny_model)!r}, "openvino").ep, len(onnxruntime.get_ep_devices()) - before)
"""
    assert _python(program).stdout.strip() == "openvino 0"


def test_registration_happens_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(plugins, "_load", lambda module: loaded.append(module) or ("some",))
    threads = [threading.Thread(target=plugins._register, args=("onnxruntime_ep_counted",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del plugins._names["onnxruntime_ep_counted"]
    assert loaded == ["onnxruntime_ep_counted"]
