"""The runner as a process of its own, read line by line.

Nothing but the standard library here: `python json_lines.py model.onnx fake:640x480@30`.

For programs in another language, and for those that must not fall with the runner. The same can be done from any
language that can start a process.
"""

import json
import signal
import subprocess
import sys

USAGE, GATE, INTERRUPTED, TERMINATED = 2, 3, 130, 143


def main(model: str, *sources: str) -> int:
    """Prints what each line says; returns the runner's own exit status."""
    command = ["edgecnn", "predict", model, *sources, "--format", "jsonl"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True
    ) as runner:  # its messages go where ours go: standard error
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: runner.terminate())  # it ends, its lines end, and so do we
        for line in runner.stdout or ():
            tell(json.loads(line))
    status = runner.returncode
    if status == USAGE:
        print(
            "model, source or device cannot be used: starting it again will not help until someone has changed that",
            file=sys.stderr,
        )
    elif status == GATE:
        print("the model gives other answers here than where it was made", file=sys.stderr)
    elif status not in (0, INTERRUPTED, TERMINATED):
        print(f"the runner failed (exit status {status}): start it again", file=sys.stderr)
    return status


def tell(prediction: dict[str, object]) -> None:
    """One answer."""
    if prediction["status"] == "ok":
        print(f"{prediction['source']}: {prediction['label']} ({prediction['score']:.2f})", flush=True)
    else:
        print(f"{prediction['source']}: {prediction['status']}: {prediction['reason']}", flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
