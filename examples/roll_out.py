"""A new model for a fleet, in stages: `python roll_out.py new.onnx devices.txt --stages 0.01,0.1,1`.

Nothing but the standard library here. A line of devices.txt is the address of a service and the file of its token:
`http://10.0.0.7:4912 tokens/7`. Each device checks the model and answers live frames with it beside the old one. Where
a device of a stage refuses it, agrees too little or falls behind, all devices of that stage go back to the old model,
and the others never get it. Exit status: 0 all have it, 2 some could not be asked, 3 stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import math
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

ALL_HAVE_IT, SOME_AWAY, STOPPED = 0, 2, 3
POLL_S = 0.5
DECIDED = ("ok", "unknown")


class AwayError(Exception):
    """The device cannot be asked, or is not in order before anything was changed on it."""


class UnfitError(Exception):
    """The device does not do well with the new model."""


@dataclass(frozen=True)
class Plan:
    """What is rolled out, and what is asked of a device."""

    content: bytes
    sha256: str
    model: str | None  # its name in the services; None: their first one
    min_agreement: float  # share of the compared frames, 0 to 1
    min_rate: float  # frames a second that must remain, as a share of those before
    shadow_s: float  # in which the shadow must have seen its frames
    watch_s: float
    grace_s: float  # for a camera that is connecting again just now
    at_once: int  # devices of a stage


@dataclass(frozen=True)
class Standing:
    """How a device does."""

    sha256: str  # of the model that serves
    frames: int
    fps: float
    decided: int  # views with a decision


@dataclass(frozen=True)
class Device:
    """A service."""

    url: str
    token: str

    def ask(self, path: str, body: bytes | None = None, timeout_s: float = 60.0) -> Any:
        """Sends a request, POST where there is a body; returns the JSON. Raises AwayError, or UnfitError (4xx, 5xx)."""
        request = urllib.request.Request(self.url + path, body, {"Authorization": f"Bearer {self.token}"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                why = f"{error.code}: {error.read(2000).decode(errors='replace')}"
            raise UnfitError(why) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise AwayError(f"gives no answer: {error}") from None

    def swap(self, plan: Plan) -> Any:
        """What the service says of the model: `serving`, `previous`, `shadow`, `last`."""
        models = self.ask("/api/models")["models"]
        found = [model for model in models if plan.model in {None, model["name"]}]
        if not found:
            raise AwayError(f"has no model '{plan.model}'")
        return found[0]

    def standing(self, plan: Plan) -> Standing:
        """How it does now."""
        state, swap = self.ask("/api/state"), self.swap(plan)
        mine = [view for view in state["states"] if view["model"] == swap["name"] and view["status"] in DECIDED]
        sources = state["sources"]
        frames, fps = sum(s["frames"] for s in sources), sum(s["fps"] for s in sources)
        return Standing(swap["serving"]["sha256"], frames, fps, len(mine))

    def change(self, plan: Plan, path: str, body: bytes = b"") -> Any:
        """Asks for a change of the model."""
        return self.ask(path if plan.model is None else f"{path}?model={quote(plan.model)}", body)


class RollOut:
    """One roll-out over a list of devices."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._before: dict[Device, Standing] = {}  # of devices that were sent the model
        self._failed = threading.Event()
        self.away = 0

    def stage(self, devices: Sequence[Device]) -> bool:
        """Brings the model to some devices and watches them; False: they have the old one again."""
        self._before.clear()
        with ThreadPoolExecutor(self._plan.at_once) as pool:
            having = [device for device, has in zip(devices, pool.map(self._bring, devices), strict=True) if has]
            if not self._failed.is_set():
                list(pool.map(self._watch, having))
            if having and not self._failed.is_set():
                return True
            list(pool.map(self._take_back, self._before))
        return False

    def _bring(self, device: Device) -> bool:
        """Whether the device has the model now."""
        if self._failed.is_set():
            return False
        try:
            before = self._examine(device)
            if before.sha256 == self._plan.sha256:
                say(device, "has the model already")
            else:
                self._before[device] = before
                say(device, self._send(device))
        except AwayError as error:
            self._fail(device, error) if device in self._before else self._leave_out(device, error)
            return False
        except UnfitError as error:
            self._fail(device, error)
            return False
        return True

    def _examine(self, device: Device) -> Standing:
        """How the device does before. Raises :class:`AwayError`."""
        try:
            return self._in_time(lambda: self._ready(device))
        except UnfitError as error:
            raise AwayError(f"is not ready: {error}") from None

    def _ready(self, device: Device) -> Standing:
        """How a device does. Raises :class:`UnfitError` while a camera is offline, :class:`AwayError`."""
        device.ask("/readyz")
        return device.standing(self._plan)

    def _in_time(self, look: Callable[[], Standing]) -> Standing:
        """Looks again for a while, where a device is unfit."""
        end_s = time.monotonic() + self._plan.grace_s
        while True:
            try:
                return look()
            except UnfitError:
                if time.monotonic() >= end_s:
                    raise
            time.sleep(POLL_S)

    def _send(self, device: Device) -> str:
        """Sends the model and waits until it serves. Raises :class:`UnfitError`, :class:`AwayError`."""
        plan = self._plan
        swap_id = device.change(plan, "/api/models", plan.content)["id"]
        end_s = time.monotonic() + plan.shadow_s
        while time.monotonic() < end_s:
            swap = device.swap(plan)
            last, shadow = swap["last"], swap["shadow"]
            if last is not None and last["id"] == swap_id:
                if last["state"] != "accepted":
                    raise UnfitError(f"{last['state']}: {last['reason']}")
                return self._agreed(last)
            if shadow is not None and shadow["id"] == swap_id and shadow["state"] == "waiting":
                said = self._agreed(shadow)
                device.change(plan, "/api/models/accept", json.dumps({"id": swap_id}).encode())
                return said
            time.sleep(POLL_S)
        raise UnfitError(f"falls behind: the shadow has not seen its frames after {plan.shadow_s:g} s")

    def _agreed(self, shadow: Any) -> str:
        share, frames = shadow["agreement"], shadow["frames"]
        if share is None:
            raise UnfitError("compared no frame of a camera")
        if share < self._plan.min_agreement:
            raise UnfitError(f"agrees on {share:.1%} of {frames} frames, {self._plan.min_agreement:.1%} are needed")
        return f"takes it: agrees on {share:.1%} of {frames} frames"

    def _watch(self, device: Device) -> None:
        """Looks whether the device goes on as before."""
        if (before := self._before.get(device)) is None:
            return
        try:
            begin, begin_s = device.standing(self._plan), time.monotonic()
            time.sleep(self._plan.watch_s)
            self._in_time(lambda: self._compare(before, begin, begin_s, self._ready(device)))
        except (AwayError, UnfitError) as error:
            self._fail(device, error)

    def _compare(self, before: Standing, begin: Standing, begin_s: float, now: Standing) -> Standing:
        fps = (now.frames - begin.frames) / (time.monotonic() - begin_s)
        if now.sha256 != self._plan.sha256:
            raise UnfitError(f"serves {now.sha256[:12]}, not the new model")
        if fps < self._plan.min_rate * before.fps:
            raise UnfitError(f"falls behind: {fps:.1f} frames/s, {before.fps:.1f} before")
        if now.decided < before.decided:
            raise UnfitError(f"decides on {now.decided} views, on {before.decided} before")
        return now

    def _take_back(self, device: Device) -> None:
        """Brings back the model that the device had."""
        plan, before = self._plan, self._before[device]
        try:
            swap = device.swap(plan)
            if swap["shadow"] is not None and swap["shadow"]["sha256"] == plan.sha256:
                device.change(plan, "/api/models/reject", json.dumps({"id": swap["shadow"]["id"]}).encode())
            swap = device.swap(plan)  # its shadow may have ended meanwhile
            if swap["serving"]["sha256"] == plan.sha256:  # not otherwise: a second rollback would undo the first
                device.change(plan, "/api/rollback")
            found = device.standing(plan).sha256
            again = found == before.sha256
            say(device, f"serves {found[:12]}{', the model before' if again else '; LOOK AT IT: that is another one'}")
        except (AwayError, UnfitError) as error:
            say(device, f"LOOK AT IT: cannot be brought back to {before.sha256[:12]}: {error}")

    def _fail(self, device: Device, error: Exception) -> None:
        self._failed.set()
        say(device, f"STOP: {error}")

    def _leave_out(self, device: Device, error: Exception) -> None:
        self.away += 1
        say(device, f"left out: {error}")


def roll_out(plan: Plan, devices: Sequence[Device], stages: Sequence[float]) -> int:
    """Rolls the model out, stage by stage; returns the exit status."""
    rolling = RollOut(plan)
    for number, some in enumerate(split(devices, stages), 1):
        print(f"stage {number}: {len(some)} of {len(devices)} devices", flush=True)
        if not rolling.stage(some):
            print(f"stopped in stage {number}", flush=True)
            return STOPPED
    print(f"{len(devices) - rolling.away} of {len(devices)} devices have {plan.sha256[:12]}", flush=True)
    return SOME_AWAY if rolling.away else ALL_HAVE_IT


def split(devices: Sequence[Device], stages: Sequence[float]) -> Iterator[Sequence[Device]]:
    """The devices of each stage, from the shares of the fleet that have the model after it; no stage is empty."""
    done = 0
    for share in stages:
        upto = math.ceil(round(share * len(devices), 6))
        if upto > done:
            yield devices[done:upto]
            done = upto


def say(device: Device, what: str) -> None:
    """A line about a device."""
    print(f"  {device.url}: {what}", flush=True)


def read_devices(path: Path) -> list[Device]:
    """Reads the list; empty lines and those that begin with # are left out."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [Device(url.rstrip("/"), (path.parent / token).read_text().strip()) for url, token in lines]


def main() -> int:
    """Reads the arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, help="model file")
    parser.add_argument("devices", type=Path, help="a line for each device: its address and the file of its token")
    parser.add_argument("--stages", default="0.01,0.1,1", help="shares of the fleet, each with those before")
    parser.add_argument("--model", help="name of the model in the services; without it, their first one")
    parser.add_argument("--min-agreement", type=float, default=0.95, help="share of the frames that are compared")
    parser.add_argument("--min-rate", type=float, default=0.5, help="share of the frames a second that must remain")
    parser.add_argument("--shadow-s", type=float, default=600, help="seconds in which the shadow must end")
    parser.add_argument("--watch-s", type=float, default=60, help="seconds in which each stage is watched")
    parser.add_argument("--grace-s", type=float, default=30, help="seconds in which an unfit device is looked at again")
    parser.add_argument("--at-once", type=int, default=32, help="devices of a stage that are asked at once")
    o = parser.parse_args()
    try:
        content, devices = o.file.read_bytes(), read_devices(o.devices)
        stages = [float(share) for share in o.stages.split(",")]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if stages != sorted(stages) or not 0 < stages[0] <= stages[-1] == 1:
        parser.error(f"--stages {o.stages}: expected shares that rise to 1, such as 0.01,0.1,1")
    sha256 = hashlib.sha256(content).hexdigest()
    plan = Plan(content, sha256, o.model, o.min_agreement, o.min_rate, o.shadow_s, o.watch_s, o.grace_s, o.at_once)
    return roll_out(plan, devices, stages)


if __name__ == "__main__":
    sys.exit(main())
