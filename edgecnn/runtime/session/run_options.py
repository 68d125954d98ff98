"""Run options of a session: threads, power, memory and provider options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import onnxruntime

from edgecnn.errors import UsageError
from edgecnn.runtime.admission.admission import Admission, check_admission
from edgecnn.runtime.session.ort_options import ERRORS_ONLY, SILENT, new_options
from edgecnn.runtime.system.cpu_features import physical_cores

__all__ = ["Power", "RunOptions", "read_provider_options"]

Power = Literal["normal", "low"]

_ALWAYS_ALLOWED, _MAX_PER_PROCESSOR = 16, 4  # threads: one set of options may serve several devices


@dataclass(frozen=True)
class RunOptions:
    """Options of a session besides the file and the provider.

    Raises:
        UsageError: an option has an invalid value.
    """

    threads: int | None = None  # of one inference; None: the physical cores that this process may use
    power: Power = "normal"  # low: threads sleep between inferences, where they otherwise spin for the next one
    # The CPU provider keeps memory for the next inference; without, it gives it back, for devices that have little
    arena: bool = True
    strict: bool = False  # refuse a model of which the provider leaves any node to the CPU
    warm_up: int | None = (
        None  # inferences before the first answer; None: one where the first run compiles kernels or builds an engine
    )
    admission_seconds: float | None = None  # processor time to try out a new file; None: by its work and this machine
    # How a new file is checked: tried out in a child process, or by its structure alone in this process, for programs
    # that cannot start one. See docs/untrusted-models.md
    admission: Admission = "probe"
    # By the provider's own names; for the first provider that is named
    provider_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads is {self.threads}, expected at least 1")
        if (self.threads or 0) > max(
            _ALWAYS_ALLOWED, _MAX_PER_PROCESSOR * (os.cpu_count() or 1)
        ):  # they wait for each other: minutes an image
            raise UsageError(
                f"threads is {self.threads}, far more than the {os.cpu_count()} processors here; omit it to use "
                "the physical cores"
            )
        if self.power not in get_args(Power):
            raise UsageError(f"power is '{self.power}', expected {' or '.join(get_args(Power))}")
        if self.warm_up is not None and self.warm_up < 0:
            raise UsageError(f"warm_up is {self.warm_up}, expected 0 or more")
        check_admission(self.admission_seconds, self.admission)

    @property
    def thread_count(self) -> int:
        """CPU threads per inference. onnxruntime's default ignores limits on this process."""
        return self.threads or physical_cores()

    def session_options(self, *, on_cpu: bool, content: bytes | None = None) -> onnxruntime.SessionOptions:
        """Returns the session options of onnxruntime.

        Args:
            on_cpu: whether the session is for the CPU provider. For other providers errors are raised, so onnxruntime
                does not print them too.
            content: bytes of the model, as :func:`new_options` takes them.
        """
        options = new_options(severity=ERRORS_ONLY if on_cpu else SILENT, threads=self.thread_count, content=content)
        options.enable_cpu_mem_arena = options.enable_mem_pattern = self.arena
        # After each run: its threads would take the cores of what reads ahead
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if self.power == "low":
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        if self.strict and not on_cpu:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        return options


def read_provider_options(pairs: Iterable[str]) -> dict[str, str]:
    """Parses provider options: ``["device_type=GPU"]`` -> ``{"device_type": "GPU"}``.

    Raises:
        UsageError: an option has no `=` or no name, or is given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"--ep-option {pair}: expected KEY=VALUE")
        if name in found:
            raise UsageError(f"--ep-option {pair}: {name} is given twice")
        found[name] = value.strip()
    return found
