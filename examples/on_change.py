"""Switches a relay by what a camera sees, and off when it no longer knows.

`python on_change.py model.onnx --label dog fake:640x480@30`.

The relay is on while the label is seen. What is not known (unknown, no decision, an error) does not switch it off at
once: one bad frame must
not make the relay chatter, so the last answer holds for a time. After that, and whenever this program ends in order,
the relay is off.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable

from edgecnn import Classifier, EdgeCNNError, Frame, Prediction


class Switch:
    """On while the label is seen; off when another is, or when nothing was known for ``hold_s`` seconds."""

    def __init__(self, relay: Callable[[bool], None], label: str, hold_s: float) -> None:
        self._relay = relay
        self._label = label
        self._hold_s = hold_s
        self._on: bool | None = None  # not known: before the first switching, and where the relay failed
        self._known_at = time.monotonic()
        self._lock = threading.Lock()  # the watchdog and the camera's answers come from two threads
        self._ended = threading.Event()

    def __enter__(self) -> "Switch":  # noqa: PYI034  # typing has Self since Python 3.11
        self._set(False)  # whatever it was before
        threading.Thread(target=self._watch, daemon=True).start()  # it can only switch off, so nobody need wait for it
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with self._lock:
            self._set(False)

    def answer(self, _frame: Frame | None, prediction: Prediction) -> None:
        """Called for each answer."""
        age_s = prediction.age_ms / 1e3  # since it was seen, not since it was told
        with self._lock:
            if prediction.status == "ok" and age_s <= self._hold_s:
                self._known_at = time.monotonic() - age_s
                self._set(prediction.label == self._label)

    def _watch(self) -> None:
        """Off in time even when no answer comes at all."""
        while not self._ended.wait(self._hold_s / 10):
            with self._lock:
                if time.monotonic() - self._known_at > self._hold_s:
                    try:
                        self._set(False)
                    except Exception as error:  # noqa: BLE001  # whatever a relay raises: it is tried again in a moment, for as long as it takes
                        print(f"on_change: the relay cannot be switched off: {error}", file=sys.stderr, flush=True)

    def _set(self, on: bool) -> None:
        if on != self._on:
            self._on = None  # a relay that fails may have switched all the same: the next call tries again, either way
            self._relay(on)
            self._on = on


def relay(on: bool) -> None:
    """The relay. With gpiozero, on a Raspberry Pi, the pin is made once, outside: it goes off when it is let go of.

    pin = gpiozero.OutputDevice(17, initial_value=False)
    def relay(on: bool) -> None:
        pin.value = on
    """
    print("relay", "on" if on else "off", flush=True)


def stop(*_: object) -> None:
    """SIGTERM, as systemd sends it, and Ctrl-C end the program through its `with` blocks."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # once is enough: a second one would cut short what switches off
    raise SystemExit(0)


def main() -> None:
    """Runs until the source ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("source")
    parser.add_argument("--label", required=True)
    parser.add_argument("--hold", type=float, default=2.0, help="seconds that an answer holds without a newer one")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with Classifier(arguments.model) as classifier, Switch(relay, arguments.label, arguments.hold) as switch:
        if arguments.label not in classifier.labels:
            parser.error(f"the model has no label '{arguments.label}'; it has {', '.join(classifier.labels)}")
        classifier.watch(switch.answer, arguments.source)


if __name__ == "__main__":
    try:
        main()
    except EdgeCNNError as error:  # no such model, a camera that cannot be opened: one line that says what to do
        print(f"on_change: {error}", file=sys.stderr)
        sys.exit(2)
