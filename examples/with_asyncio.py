"""A camera among the other tasks of an asyncio program: `python with_asyncio.py model.onnx fake:640x480@30`.

Reading and classifying block, so each step runs in a worker thread while the event loop goes on. A camera hands out its
newest frame when it
is asked: a task that was busy gets what is to be seen now, not what has queued up.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

from edgecnn import Classifier, EdgeCNNError, Frame, Prediction


async def answers(classifier: Classifier, *sources: str) -> AsyncGenerator[Prediction, None]:
    """The answers, each made when it is asked for.

    Closing it, or cancelling who waits for it, ends the camera's process before it returns.
    """
    stream = classifier.stream(*sources)
    step: asyncio.Future[tuple[Frame | None, Prediction] | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(next, stream, None))
            answer = await asyncio.shield(step)  # a thread cannot be cancelled: the step is left whole
            if answer is None:
                return
            yield answer[1]
    finally:
        if step is not None:
            await asyncio.wait([step])  # a frame's time; seconds where the camera is silent
        await asyncio.to_thread(stream.close)


async def tell(classifier: Classifier, *sources: str) -> None:
    """What the camera shows."""
    async with aclosing(answers(classifier, *sources)) as predictions:
        async for prediction in predictions:
            print(f"{prediction.source}: {prediction.label or prediction.reason}", flush=True)


async def beat() -> None:
    """Stands for whatever else the program does."""
    while True:
        print("alive", flush=True)
        await asyncio.sleep(0.5)


async def main(model: str, *sources: str) -> None:
    """Both at once, until the source ends, or Ctrl-C or SIGTERM comes."""
    classifier = await asyncio.to_thread(Classifier, model)  # opening takes a while too
    other = asyncio.create_task(beat())
    camera = asyncio.create_task(tell(classifier, *sources))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, camera.cancel)
    try:
        await camera
    except asyncio.CancelledError:
        print("cancelled", flush=True)
    finally:
        other.cancel()
        classifier.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except EdgeCNNError as error:  # no such model, a camera that cannot be opened: one line that says what to do
        print(f"with_asyncio: {error}", file=sys.stderr)
        sys.exit(2)
