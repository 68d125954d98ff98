"""The settings come from the file, the environment over it and flags over both; what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.serving.settings.reading import read_settings
from edgecnn.serving.settings.settings import LimitSettings, Settings

FILE = """\
port = 5000
host = "127.0.0.1"

[[models]]
file = "models/m.onnx"

[[sources]]
name = "door"
address = "fake:"
[[sources]]
name = "yard"
address = "fake:"

[swap]
mode = "confirm"
shadow_frames = 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edgecnn.toml"
    path.write_text(FILE)
    return path


def test_the_environment_wins_over_the_file_and_flags_over_both(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_SERVE_PORT", "6000")
    monkeypatch.setenv("EDGECNN_SERVE_HOST", "::1")
    monkeypatch.setenv("EDGECNN_SERVE_SWAP__MODE", "auto")
    found = read_settings(file, {"port": 7000})
    assert (found.port, found.host) == (7000, "::1")
    assert (found.swap.mode, found.swap.shadow_frames) == ("auto", 7)


def test_paths_are_from_the_folder_of_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_settings(file, {}).models[0].file == tmp_path / "models" / "m.onnx"


@pytest.mark.parametrize(
    ("line", "wrong", "said"),
    [
        (1, "port = 70000", "line 1: port: "),
        (1, "prot = 5000", "line 1: prot: is no setting"),
        (5, 'fil = "m.onnx"', "line 4: models.1.file: is missing; docs/serve.md says"),
        (8, 'name = "front door"', "line 8: sources.1.name: 'front door' is no name"),
        (11, 'name = "door"', "two sources are named 'door'"),
        (12, 'address = "fake:"\nmodels = ["other"]', "names the model 'other'; there are main"),
        (12, 'address_file = ""\naddress = "x"', "line 10: sources.2: give either address or address_file"),
        (15, 'mode = "never"', "line 15: swap.mode: input should be 'auto' or 'confirm'"),
        (16, "shadow_frames = -1", "line 16: swap.shadow_frames: "),
        (16, "watch_s = 1e300", "line 16: swap.watch_s: input should be less than or equal to 31536000"),
        (16, 'watch = "a\\u0000b"', "line 16: swap.watch: a path cannot contain the character NUL; remove it"),
        (16, "shadow_frames = ", "is no TOML file: Invalid value (at line 16"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: int, wrong: str, said: str, file: Path) -> None:
    lines = FILE.splitlines()
    lines[line - 1] = wrong
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError) as caught:
        read_settings(file, {})
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_other_settings_alone_says_how_to_name_a_model(file: Path, tmp_path: Path) -> None:
    file.write_text('[collect]\ndir = "frames"\n')
    with pytest.raises(
        UsageError, match=r"models: no model is named; add a table \[\[models\]\] .* on the command line"
    ):
        read_settings(file, {})
    found = read_settings(file, {"models": [{"file": "m.onnx"}]})
    assert found.collect is not None
    assert found.collect.dir == tmp_path / "frames"


def test_a_wrong_variable_and_a_wrong_flag_are_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"command line: port: .*less than or equal to 65535 \(it is 70000\)"):
        read_settings(file, {"port": 70000})
    monkeypatch.setenv("EDGECNN_SERVE_SWAP__MIN_AGREEMENT", "most")
    with pytest.raises(UsageError, match=r"environment, EDGECNN_SERVE_SWAP: swap.min_agreement: .*'most'"):
        read_settings(file, {})
    monkeypatch.delenv("EDGECNN_SERVE_SWAP__MIN_AGREEMENT")
    monkeypatch.setenv("EDGECNN_SERVE_SOURCES", "[{")
    with pytest.raises(UsageError, match="environment: .*sources.*; give JSON"):
        read_settings(file, {})


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"none\.toml: no such settings file"):
        read_settings(tmp_path / "none.toml", {})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_settings(tmp_path / "bytes.toml", {})


def test_a_password_in_a_wrong_setting_is_not_repeated(file: Path) -> None:
    file.write_text(
        FILE.replace('address = "fake:"', 'address = "rtsp://me:CANARY@cam/"\nevery = "rtsp://me:CANARY@cam/"')
    )
    with pytest.raises(UsageError) as caught:
        read_settings(file, {})
    assert "CANARY" not in str(caught.value)
    file.write_text(FILE.replace('address = "fake:"', 'address = "rtsp://me:CANARY@cam/"', 1))
    assert "CANARY" not in repr(read_settings(file, {}))


def test_a_value_of_many_letters_is_not_repeated(file: Path) -> None:
    file.write_text(f'{FILE}\n[mqtt]\nurl = "mqtt://broker"\nbase_topic = "{"t" * 70_000}"\n')
    with pytest.raises(UsageError, match=r"line 20: mqtt.base_topic: string should have at most 200 characters$"):
        read_settings(file, {})


def test_no_number_is_too_large_for_clocks_and_counters() -> None:
    """`inf`, a year in ms beyond 32 bits, a timer beyond what the system counts: refused, not met months later."""
    unbounded = [
        f"{part.__name__}.{name}"
        for part in _parts(Settings)
        for name, rule in part.model_json_schema()["properties"].items()
        for kind in [rule, *rule.get("anyOf", [])]
        if kind.get("type") in {"number", "integer"} and not kind.keys() & {"maximum", "exclusiveMaximum"}
    ]
    # The runtime refuses too many threads; a score has any scale
    assert sorted(unbounded) == ["ModelSettings.threads", "ModelSettings.threshold"]
    for name in ("silent_s", "request_s"):
        assert LimitSettings.model_json_schema()["properties"][name]["maximum"] * 2e3 < 2**31  # milliseconds of TCP


def _parts(part: type[BaseModel]) -> set[type[BaseModel]]:
    found = {part}
    for info in part.model_fields.values():
        for kind in (info.annotation, *get_args(info.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= _parts(kind)
    return found
