"""Lets a frozen program be its own child process, as ``multiprocessing.freeze_support`` does.

It stands here since the service starts children of its own, and the runner imports nothing of the service.
"""

from __future__ import annotations

import sys

from edgecnn.runtime.system.python_interpreter import CHILD_FLAG, allow_frozen_children

__all__ = ["freeze_support"]


def freeze_support() -> None:
    """To be called first thing in the main module of a program that PyInstaller or another packer freezes.

    Such a program is no Python interpreter, so EdgeCNN's child processes (the trial run of a new model, the reader of a
    camera, teaching in the service) cannot be started with ``python -m``. After this call EdgeCNN starts the program
    itself with a flag; in that child process the call does the child's work and ends the process. It changes nothing in
    a program that is not frozen.
    """
    allow_frozen_children()
    if sys.argv[1:3] != [CHILD_FLAG, "-m"] or len(sys.argv) < 4:
        return
    module = sys.argv[3]
    sys.argv = sys.argv[3:]
    # Import statements, since packers look for them
    if module == "edgecnn.runtime.admission.sandbox":
        from edgecnn.runtime.admission.sandbox import main as trial_run  # noqa: PLC0415

        trial_run()
    elif module == "edgecnn.runtime.sources.capture.worker":
        from edgecnn.runtime.sources.capture.worker import main as capture  # noqa: PLC0415

        capture()
    elif module == "edgecnn.serving.teaching.child":
        from edgecnn.serving.teaching.child import main as teach  # noqa: PLC0415

        teach()
    sys.exit(2)  # all of them end the process themselves
