"""One connection to the broker, from its opening to its end."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from edgecnn.errors import EdgeCNNError
from edgecnn.serving.mqtt.broker import Broker
from edgecnn.serving.mqtt.message import Message

__all__ = ["QOS", "BrokerError", "Connection", "Incoming"]

QOS = 1
"""A message may come twice, but comes."""

_KEEPALIVE_S = 20  # the broker sends the last will when it has heard nothing for half as much more
_CONNECT_S = 5.0  # for the network, and for the broker's answer
_MOST_UNACKED = 50  # messages that the broker has not confirmed yet, until more are sent


class BrokerError(EdgeCNNError, OSError):
    """The broker cannot be reached, or refuses this device."""


@dataclass(frozen=True)
class Incoming:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool  # it was published before this connection


class Connection:
    """A connection. It is opened once and never again: after its end, what it had not sent is not sent late.

    Args:
        broker: the broker.
        client_id: a later connection with the same id ends this one.
        will: what the broker publishes when this connection breaks.
        heard: gets messages, in a thread of the connection.
        ended: is called when the connection has ended, in that thread.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        will: Message,
        heard: Callable[[Incoming], None],
        ended: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._heard = heard
        self._ended = ended
        self._answered, self._over = threading.Event(), threading.Event()
        self._refusal: str | None = None
        self._unacked: list[tuple[MQTTMessageInfo, Message]] = []
        client = Client(CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        client.connect_timeout = _CONNECT_S
        client.will_set(will.topic, will.payload, QOS, will.retain)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client

    def open(self, subscriptions: Sequence[str]) -> None:
        """Connects and subscribes.

        Raises:
            BrokerError: it cannot be reached, does not answer or refuses.
            InputNotFoundError: the password file cannot be read.
        """
        password = self._broker.password()
        if self._broker.username is not None:
            self._client.username_pw_set(self._broker.username, password)
        try:
            self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise BrokerError(f"cannot be reached: {_why(error)}; trying again") from None
        self._client.loop_start()
        if not self._answered.wait(_CONNECT_S) or self._refusal is not None:
            self._client.disconnect()
            raise BrokerError(f"{self._refusal or f'does not answer within {_CONNECT_S:g} s'}; trying again")
        if subscriptions:
            self._client.subscribe([(topic, QOS) for topic in subscriptions])

    @property
    def up(self) -> bool:
        """Whether it has not ended."""
        return not self._over.is_set()

    @property
    def has_room(self) -> bool:
        """Whether the broker keeps up with what it is sent."""
        self._unacked = [(info, message) for info, message in self._unacked if not _confirmed(info)]
        return len(self._unacked) < _MOST_UNACKED

    def publish(self, message: Message) -> None:
        """Sends a message. It does not wait for the broker."""
        info = self._client.publish(message.topic, message.payload, QOS, message.retain)
        self._unacked.append((info, message))

    def unconfirmed(self) -> list[Message]:
        """What the broker has not confirmed, oldest first."""
        return [message for info, message in self._unacked if not _confirmed(info)]

    def close(self, wait_s: float) -> None:
        """Ends the connection without its will, after waiting at most so long for what is not confirmed."""
        if self._unacked and self.up and (last := self._unacked[-1][0]).rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            last.wait_for_publish(wait_s)
        self._client.disconnect()
        self._over.wait(wait_s)

    def _on_connect(self, _: Client, __: Any, ___: Any, reason: ReasonCode, *____: Any) -> None:
        if reason.is_failure:
            self._refusal = f"refuses this device: {str(reason).lower()}; check username and password"
        self._answered.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._over.set()
        self._answered.set()
        if self._refusal is None:
            self._refusal = "closes the connection"
        self._ended()

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self._heard(Incoming(message.topic, bytes(message.payload), message.retain))


def _confirmed(info: MQTTMessageInfo) -> bool:
    # Of a message that could not even be queued, is_published() raises
    return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS and info.is_published()


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or 'no reason given'})"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
