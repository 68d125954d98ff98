"""Where the broker is, and how this device proves who it is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.serving.secret_file import read_secret_file
from edgecnn.serving.settings.settings import MqttSettings
from edgecnn.serving.url_host import url_host

__all__ = ["Broker", "read_broker"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Broker:
    """Address of a broker and the credentials for it."""

    scheme: str
    host: str
    port: int
    username: str | None
    tls: ssl.SSLContext | None = field(repr=False)
    url_password: str | None = field(repr=False)
    password_file: Path | None

    @property
    def name(self) -> str:
        """Its address without credentials."""
        return f"{self.scheme}://{url_host(self.host)}:{self.port}"

    def password(self) -> str | None:
        """The password, read anew from its file: it may be changed while the service runs.

        Raises:
            InputNotFoundError: the file cannot be read.
        """
        return self.url_password if self.password_file is None else _read_password(self.password_file)


def read_broker(settings: MqttSettings) -> Broker:
    """Checks the settings and reads the files that they name.

    Raises:
        UsageError: an address, a certificate or a key is wrong, or two settings contradict each other.
        InputNotFoundError: a file cannot be read.
    """
    url = _parse(settings.url)
    if url.username is not None and settings.username is not None:
        raise UsageError("mqtt: the user name is in url and in username; give one of them")
    if url.password is not None and settings.password_file is not None:
        raise UsageError("mqtt: the password is in url and in password_file; give password_file alone")
    username = settings.username if url.username is None else unquote(url.username)
    if username is None and settings.password_file is not None:
        raise UsageError("mqtt: password_file needs username")
    assert url.hostname is not None
    broker = Broker(
        scheme=url.scheme,
        host=url.hostname,
        port=url.port or _PORTS[url.scheme],
        username=username,
        tls=_tls(settings, url.scheme),
        url_password=None if url.password is None else unquote(url.password),
        password_file=settings.password_file,
    )
    broker.password()
    return broker


def _parse(text: str) -> SplitResult:
    """Raises :class:`UsageError`, without the text: it may hold a password."""
    expected = "mqtt: url is no address of a broker; expected mqtt://HOST, mqtt://HOST:PORT or mqtts://HOST:PORT"
    try:
        url = urlsplit(text)
        known = url.scheme in _PORTS and bool(url.hostname) and url.port != 0
    except ValueError:  # the port is no number, or brackets do not match
        raise UsageError(expected) from None
    if not known or url.path.strip("/") or url.query or url.fragment:
        raise UsageError(expected)
    return url


def _read_password(path: Path) -> str:
    return read_secret_file(path, "the broker's password").rstrip("\r\n")


def _tls(settings: MqttSettings, scheme: str) -> ssl.SSLContext | None:
    files = {"ca_file": settings.ca_file, "cert_file": settings.cert_file, "key_file": settings.key_file}
    given = {name: path for name, path in files.items() if path is not None}
    if scheme == "mqtt":
        if given:
            raise UsageError(f"mqtt: {next(iter(given))} needs an url that begins with mqtts://")
        return None
    if (settings.cert_file is None) != (settings.key_file is None):
        raise UsageError("mqtt: cert_file and key_file belong together; give both")
    for name, path in given.items():
        if not path.is_file():
            raise InputNotFoundError(f"{path}: no such file; mqtt.{name} names it")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise UsageError(f"{settings.ca_file}: is no certificate: {_why(error)}; expected PEM") from None
    if settings.cert_file is not None:
        try:
            # Without a password function, OpenSSL would ask for the key's password on the terminal
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
        except OSError as error:
            raise UsageError(
                f"{settings.cert_file}: cannot be used with {settings.key_file}: {_why(error)}; expected PEM files "
                "that belong together, the key without a password"
            ) from None
    return context


def _why(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__
