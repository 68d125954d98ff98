"""The files of a bundle that an operator uses: systemd unit, Dockerfile, README. Their texts are in ``templates``."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from edgecnn.serving.bundle.configuration import BundledConfiguration
from edgecnn.serving.bundle.index import BundleIndex
from edgecnn.serving.bundle.signature import SIGNATURE
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.url_host import url_host

__all__ = ["DOCKERFILE", "README", "UNIT", "WHEELS", "dockerfile", "readme", "systemd_unit"]

DOCKERFILE = "Dockerfile"
README = "README.md"
UNIT = "edgecnn.service"
WHEELS = "wheels"

_KEY = "/etc/edgecnn/bundle-key.pem"
_VERIFY = f"/opt/edgecnn/venv/bin/edgecnn bundle-verify /opt/edgecnn/bundle --key {_KEY}"
_OFFLINE = ("--no-index", "--find-links", WHEELS)


def systemd_unit(*, signed: bool) -> str:
    """The hardened unit. That of a signed bundle verifies the bundle before every start."""
    check = (
        "# A bundle that is unsigned, changed, or older than the one before does not start.\n"
        f"ExecStartPre={_VERIFY} --record ${{STATE_DIRECTORY}}/bundle-record.json\n"
    )
    return _filled(UNIT, verification=check if signed else "")


def dockerfile(target: Target, version: int, configuration: BundledConfiguration, *, wheels: bool) -> str:
    """The container: not root, commands without a shell, asked for its health by Python."""
    return _filled(
        DOCKERFILE,
        docker_platform=target.docker_platform,
        version=version,
        python=target.python,
        pip_options="".join(f'"{word}", ' for word in _OFFLINE) if wheels else "",
        port=configuration.port,
        health_url=f"http://{url_host(configuration.host)}:{configuration.port}/healthz",
    )


def readme(
    index: BundleIndex, target: Target, configuration: BundledConfiguration, *, signed: bool, wheels: bool
) -> str:
    """The steps for the person at the device."""
    until = index.support_until
    return _filled(
        README,
        target=index.target,
        version=index.version,
        edgecnn=index.edgecnn,
        created_at=index.created_at,
        python=index.python,
        support=f"Supported until {until}." if until else "No support period is stated.",
        file_rows="\n".join(
            [f"| `{model.file}` | the model |" for model in configuration.models]
            + [f"| `{other.file}` | settings of a source |" for other in configuration.others]
        ),
        wheels_row=f", `{WHEELS}/`" if wheels else "",
        signature_row=f"| `{SIGNATURE}` | the signature over all of them (OpenSSF Model Signing) |\n" if signed else "",
        pip_words="".join(f"{word} " for word in _OFFLINE) if wheels else "",
        edgecnn_source="" if wheels else _EDGECNN_SOURCE.format(version=index.edgecnn),
        verify_steps=_VERIFY_STEPS if signed else "",
        port=configuration.port,
        docker_platform=target.docker_platform,
        update_check=", and verify it there with the installed `edgecnn bundle-verify`" if signed else "",
    )


_EDGECNN_SOURCE = """\
pip needs a package index here. Where that has no EdgeCNN {version}, put its wheel into a folder and add
`--find-links FOLDER`.

"""
_VERIFY_STEPS = f"""\
Put the public key of whoever made the bundle at `{_KEY}`. It must come another way than the
bundle: a key that came with the bundle proves nothing. The service verifies the bundle before every start; this does it
once:

```sh
{_VERIFY}
```

"""


def _filled(name: str, **values: object) -> str:
    text = (files("edgecnn.serving.bundle") / "templates" / name).read_text(encoding="utf-8")
    return Template(text).substitute(values)
