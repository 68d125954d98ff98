"""The configuration in a bundle names the files of the bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tomlkit

from edgecnn.errors import EdgeCNNError, InputNotFoundError
from edgecnn.serving.bundle.configuration import bundled_configuration
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.write import BundleRequest, write_bundle
from edgecnn.serving.settings.reading import read_settings


def test_without_a_configuration_there_is_one_model_and_one_camera(tiny_model: Path) -> None:
    settings = tomlkit.parse(bundled_configuration(None, tiny_model).text).unwrap()
    assert settings == {
        "models": [{"name": "main", "file": "model.onnx"}],
        "sources": [{"name": "camera", "address": "0"}],
    }


def test_the_service_takes_the_configuration_of_a_bundle(tiny_model: Path, tmp_path: Path) -> None:
    write_bundle(BundleRequest(model=tiny_model, out=tmp_path / "device", target=Target("linux-x86_64")))
    settings = read_settings(tmp_path / "device" / "edgecnn.toml", {})
    assert settings.models[0].file == tmp_path / "device" / "model.onnx"
    assert settings.sources[0].address == "0"
    assert (settings.host, settings.port) == ("127.0.0.1", 4912)


def test_the_only_model_becomes_the_one_given_and_comments_stay(tiny_model: Path, tmp_path: Path) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text(
        'port = 8080 # ours\n\n[[models]]\nname = "door"\nfile = "/old/x.onnx" # later\nthreshold = 0.7\n'
    )
    found = bundled_configuration(config, tiny_model)
    assert "# ours" in found.text
    assert "# later" in found.text
    assert found.port == 8080
    assert tomlkit.parse(found.text).unwrap()["models"] == [{"name": "door", "file": "model.onnx", "threshold": 0.7}]
    assert "/old" not in found.text


def test_several_models_come_into_the_bundle(tiny_model: Path, tiny_int8_model: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_model, tmp_path / "one.onnx")
    shutil.copy(tiny_int8_model, tmp_path / "two.onnx")
    (tmp_path / "health.json").write_text("{}")
    config = tmp_path / "edgecnn.toml"
    config.write_text(
        '[[models]]\nname = "a"\nfile = "two.onnx"\n[[models]]\nname = "b"\nfile = "one.onnx"\n'
        '[[sources]]\naddress = "0"\nhealth = "health.json"\n'
    )
    out = tmp_path / "device"
    write_bundle(BundleRequest(model=tmp_path / "one.onnx", out=out, target=Target("linux-x86_64"), config=config))
    settings = tomlkit.parse((out / "edgecnn.toml").read_text()).unwrap()
    files = {model["name"]: model["file"] for model in settings["models"]}
    assert (out / files["a"]).read_bytes() == tiny_int8_model.read_bytes()
    assert (out / files["b"]).read_bytes() == tiny_model.read_bytes()
    assert files["b"] == "model.onnx"
    assert (out / settings["sources"][0]["health"]).read_text() == "{}"


BAD = {
    "no TOML": "[[models\n",
    "no models": "port = 1\n",
    "models of another type": 'models = "x"\n',
    "no file": '[[models]]\nname = "x"\n',
    "no address": '[[models]]\nfile = "x"\n[[sources]]\nname = "x"\n',
    "a key that there is not": 'hots = "0.0.0.0"\n[[models]]\nfile = "x"\n',
    "port": 'port = 70000\n[[models]]\nfile = "x"\n',
    "no fixed port": 'port = 0\n[[models]]\nfile = "x"\n',
    "host": 'host = 5\n[[models]]\nfile = "x"\n',
    "another model": '[[models]]\nfile = "x"\n[[models]]\nfile = "y"\n',
    "token in the bundle": 'token_file = "token"\n[[models]]\nfile = "x"\n',
    "frames in the bundle": '[[models]]\nfile = "x"\n[collect]\ndir = "frames"\n',
    "secret in the bundle": '[[models]]\nfile = "x"\n[[webhooks]]\nsecret_file = "secret"\n',
    "no health file": '[[models]]\nfile = "x"\n[[sources]]\naddress = "0"\nhealth = "none.json"\n',
}  # fmt: skip


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_configuration_that_cannot_be_used_is_named(tiny_model: Path, tmp_path: Path, text: str) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text(text)
    with pytest.raises(EdgeCNNError, match=str(config)) as caught:
        bundled_configuration(config, tiny_model)
    assert "\n" not in str(caught.value)


def test_a_missing_configuration_is_named(tiny_model: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputNotFoundError, match=str(path)):
            bundled_configuration(path, tiny_model)


def test_paths_on_the_device_stay(tiny_model: Path, tmp_path: Path) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text('token_file = "/etc/edgecnn/token"\n[[models]]\nfile = "x"\n[collect]\ndir = "/var/frames"\n')
    found = bundled_configuration(config, tiny_model).text
    assert "/etc/edgecnn/token" in found
    assert "/var/frames" in found


ADDRESSES = {
    "rtsp://me:canary@camera/1": 1,
    "http://camera/image.jpg?user=me&pwd=canary": 1,
    "rtsp://camera/1": 0,
    "fake:64x64@20": 0,
    "0": 0,
}


@pytest.mark.parametrize(("address", "passwords"), ADDRESSES.items())
def test_passwords_in_addresses_are_counted(tiny_model: Path, tmp_path: Path, address: str, passwords: int) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text(f'[[models]]\nfile = "x"\n[[sources]]\naddress = "{address}"\n')
    assert bundled_configuration(config, tiny_model).passwords == passwords


def test_passwords_of_the_broker_and_of_webhooks_are_counted(tiny_model: Path, tmp_path: Path) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text(
        '[[models]]\nfile = "x"\n[mqtt]\nurl = "mqtt://me:canary@broker"\n'
        '[[webhooks]]\nurl = "https://h/?token=canary"\n[[webhooks]]\nurl = "https://h/plain"\n'
    )
    assert bundled_configuration(config, tiny_model).passwords == 2
