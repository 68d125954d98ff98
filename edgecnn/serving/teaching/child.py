"""``python -m edgecnn.serving.teaching.child``: teaches in a process of its own, which gives way to others.

Neither its work, nor its memory, nor a crash of a library holds up the process that decides on frames. It reads its
order as one line of JSON from standard input, writes messages as lines of JSON to standard output, and ends when its
standard input is closed, so always together with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import cv2

from edgecnn.error_text import first_line, one_line
from edgecnn.errors import EdgeCNNError, ModelError
from edgecnn.plain_json import as_json
from edgecnn.progress import Progress, Silent
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.system.child_limits import give_way, limit_memory, out_of_memory, perish_first
from edgecnn.runtime.system.child_pipes import end_with_parent, own_standard_output
from edgecnn.serving.teaching.order import TeachingOrder
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.result import LabelNext, TeachResult
from edgecnn.teaching.teach import embedding_width, teach
from edgecnn.teaching.unlabelled_images import UnlabelledImage, embed_images, rank_images

__all__ = ["main"]

# Address space beside what the imports take: 340 MB were measured for efficientnet_lite0 and 200 images
_SPARE_BYTES, _SPARE_OF_FILE, _SPARE_OF_IMAGE, _MAX_SPARE_BYTES = 1 << 30, 16, 200_000, 4 << 30
_OUT_OF_MEMORY = "it needs more memory than the service allows it; label fewer frames, or teach on a larger machine"


def main() -> None:
    """Executes the order. Messages report errors; the exit status is always 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service ends its children itself
    messages = own_standard_output()
    try:
        order = TeachingOrder.from_json(sys.stdin.buffer.readline())
        give_way(order.nice)
        threading.Thread(target=end_with_parent, daemon=True).start()
        perish_first()
        cv2.setNumThreads(1)
        _tell(messages, **_outcome(order, _Reporter(messages)))
    except BrokenPipeError:
        pass
    finally:
        os._exit(0)  # threads of a library must not keep the process alive


def _outcome(order: TeachingOrder, reporter: _Reporter) -> dict[str, Any]:
    try:
        file = _model(order)
        images = len(order.chosen) + len(order.unlabelled)
        spare = _SPARE_BYTES + _SPARE_OF_FILE * len(file.content) + _SPARE_OF_IMAGE * images
        limit_memory(min(spare, _MAX_SPARE_BYTES))
        if order.kind == "rank":
            return {"event": "ranked", "label_next": _rank(order, file, reporter)}
        return {"event": "taught", "report": _teach(order, reporter)}
    except EdgeCNNError as error:
        reason = one_line(str(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # a library's own: told what it was, the service goes on
        reason = _OUT_OF_MEMORY if out_of_memory(error) else _named(error, first_line(error))
    return {"event": "failed", "reason": reason}


def _named(error: Exception, text: str) -> str:
    return f"unexpected error: {type(error).__name__}: {text}"


def _model(order: TeachingOrder) -> ModelFile:
    """Raises :class:`ModelError` where the file is not the one that serves."""
    file = read_model_file(order.model)
    if file.sha256 != order.sha256:
        raise ModelError(
            f"{Path(order.model).name}: the file has changed since the service opened it; restart the service, or send "
            "the new file as a swap"
        )
    return file


def _teach(order: TeachingOrder, reporter: _Reporter) -> TeachResult:
    root, chosen = Path(order.labelled), frozenset(order.chosen)
    options = TeachOptions(replace=order.replace, max_drop=order.max_drop, label_next=order.label_next, threads=1)
    return teach(
        order.model,
        root,
        order.out,
        options,
        reporter,
        wanted=lambda path: path.relative_to(root).as_posix() in chosen,
        unlabelled=_frames(order),
    )


def _rank(order: TeachingOrder, file: ModelFile, reporter: _Reporter) -> Sequence[LabelNext]:
    session = open_session(file, "cpu", 1)
    embedding_width(session)  # raises where there is none
    most = TeachOptions().max_pixels
    root = Path(order.labelled)
    known = [UnlabelledImage(root / name, "") for name in order.chosen]
    labelled = embed_images(known, session, most, 1, reporter).features
    found = embed_images(_frames(order), session, most, 1, reporter)
    return rank_images(found, found.probabilities, session.manifest.labels, labelled, order.label_next)


def _frames(order: TeachingOrder) -> tuple[UnlabelledImage, ...]:
    return tuple(UnlabelledImage(Path(frame.path), frame.source) for frame in order.unlabelled)


class _Reporter(Silent):
    """Writes the progress to the parent."""

    def __init__(self, messages: IO[str]) -> None:
        self._messages = messages

    def stage(self, name: str) -> Progress:
        """Starts a stage."""
        _tell(self._messages, event="progress", stage=name, done=0, total=0)

        def progress(done: int, total: int, note: str = "") -> None:  # noqa: ARG001  # the page shows numbers alone
            _tell(self._messages, event="progress", stage=name, done=done, total=total)

        return progress


def _tell(messages: IO[str], **message: Any) -> None:
    messages.write(json.dumps(as_json(message)) + "\n")
    messages.flush()


if __name__ == "__main__":
    main()
