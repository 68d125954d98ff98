"""An open model: computes probabilities, embeddings and unknown scores from pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import ModelError, ProviderError
from edgecnn.preprocess import Image
from edgecnn.runtime.onnx_file.graph_form import GraphForm
from edgecnn.runtime.session.fork_safety import keep_inherited, reopening
from edgecnn.runtime.session.model_file import Description, ModelFile
from edgecnn.runtime.session.ort_errors import ort_reason

__all__ = ["ModelSession", "Outputs", "filled_batch"]

Rows = TypeVar("Rows", bound=np.generic)

_OUTPUTS = frozenset(("probabilities", "embedding", "unknown_score"))


@dataclass(frozen=True)
class Outputs:
    """Outputs of the graph for N images."""

    probabilities: NDArray[np.float32]  # [N, C]
    embedding: NDArray[np.float32] | None  # [N, D]
    unknown_scores: NDArray[np.float32] | None  # [N], higher is more unknown
    state: NDArray[np.float32] | None = None  # [N, S] after a step; None: not a step


class ModelSession:
    """An open model. Threads may share it, as they may share a session of onnxruntime.

    In a forked child process it opens the file again at its first use. A recurrent model takes images without a state
    as clips of one frame.
    """

    def __init__(
        self,
        model: ModelFile,
        session: onnxruntime.InferenceSession,
        ep: str,
        description: Description,
        nodes: Mapping[str, int] | None = None,
        open_again: Callable[[], onnxruntime.InferenceSession] | None = None,
    ) -> None:
        self._open_again = open_again  # in a forked child; None: it cannot be used there
        self._process = os.getpid()
        self.nodes = nodes  # of the graph, by the provider that runs them; None: this onnxruntime does not tell
        self.path = model.path
        self.sha256 = model.sha256
        self.size_bytes = len(model.content)
        self.ep = ep
        self.manifest = description.manifest
        self.description = description
        self.form: GraphForm = description.form
        self._session = session
        pixels = next(i for i in session.get_inputs() if i.name in ("image", "frames"))
        self._float_input = pixels.type == "tensor(float)"
        batch = pixels.shape[0]
        self.fixed_batch: int | None = batch if isinstance(batch, int) else None
        """The number of images that the graph takes at once; None: any. Others run in batches of that many."""
        names = [o.name for o in session.get_outputs()]
        self._given = frozenset(names)

    @property
    def file(self) -> str:
        """Path of the file."""
        return str(self.path)

    @property
    def kind(self) -> str:
        """`onnx-` and the precision."""
        return f"onnx-{self.manifest.precision}"

    @property
    def split_record(self) -> SplitRecord | None:
        """Record of the training images; None if the file has none."""
        return self.description.split_record

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.manifest.input.height, self.manifest.input.width, 3

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.manifest.labels)

    @property
    def output_widths(self) -> dict[str, int | None]:
        """Of each output that a model of single images gives, the number of values per image: -1 where the file does
        not tell it, None for one number without an axis of its own."""
        shapes = {o.name: o.shape for o in self._session.get_outputs() if o.name in _OUTPUTS}
        return {name: _width(shape) for name, shape in shapes.items()}

    @property
    def state_size(self) -> int:
        """Size S of the state of a recurrent model; 0 for a model of single images."""
        return 0 if self.manifest.temporal is None else self.manifest.temporal.state_size

    def probabilities(self, images: Image) -> NDArray[np.float32]:
        """Returns probabilities, float32 ``[N, C]``, for uint8 ``[N, H, W, 3]`` RGB at the model's input size."""
        return self._run(["probabilities"], images)[0]

    def start(self, sources: int = 1) -> NDArray[np.float32]:
        """The states of N sources before their first frame: zeros, float32 ``[N, S]``."""
        return np.zeros((sources, self.state_size), np.float32)

    def step(self, images: Image, state: NDArray[np.float32], names: Sequence[str] = ("unknown_score",)) -> Outputs:
        """Runs one step of N sources with a step file.

        Args:
            images: the next frame of each source, uint8 ``[N, H, W, 3]`` RGB at the model's input size.
            state: of each source before it, float32 ``[N, S]``.
            names: the other outputs that are wanted, where the model has them.

        Returns:
            The outputs after this frame, with the state to give to the next step.

        Raises:
            ModelError: the file is none that takes steps.
        """
        self.require_steps()
        wanted = ["probabilities", "state_out", *(name for name in names if name in self._given)]
        found = dict(zip(wanted, self._run(wanted, images, state), strict=True))
        return Outputs(
            found["probabilities"], found.get("embedding"), found.get("unknown_score"), found.get("state_out")
        )

    def require_steps(self) -> None:
        """Raises :class:`ModelError` for a file that does not take the frames of a source one by one, with a state."""
        if self.form == "clip":
            raise ModelError(
                f"{self.path}: takes whole clips, not the frames of a source one by one; give the step file that "
                "`edgecnn export` wrote beside it"
            )
        if self.form == "image":
            raise ModelError(f"{self.path}: classifies single images and has no state; give a recurrent model")

    def classify_clips(self, frames: Image, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Runs whole clips with a clip file.

        Args:
            frames: uint8 ``[N, T, H, W, 3]`` RGB at the model's input size.
            lengths: the number of frames of each clip, from 1 to T, int64 ``[N]``. Later frames are not read.

        Returns:
            Probabilities after the last frame of each clip, float32 ``[N, C]``.
        """
        assert self.form == "clip", "only a clip file takes whole clips"
        return self._run_in_batches(["probabilities"], {"frames": frames, "lengths": lengths})[0]

    def outputs(self, images: Image, names: Sequence[str] = ("embedding", "unknown_score")) -> Outputs:
        """Returns the probabilities and those of the named other outputs that the model has."""
        wanted = ["probabilities", *(name for name in names if name in self._given)]
        found = dict(zip(wanted, self._run(wanted, images), strict=True))
        return Outputs(found["probabilities"], found.get("embedding"), found.get("unknown_score"))

    def named(self, names: Sequence[str], images: Image) -> list[NDArray[np.float32]]:
        """Returns the outputs with these names, each ``[N, …]``, for images as :meth:`probabilities` takes them."""
        return self._run(list(names), images)

    def answers(self, images: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Returns probabilities ``[N, C]``, and unknown scores ``[N]`` if the manifest's rule uses them, else None."""
        if not self.manifest.unknown.in_graph:
            return self.probabilities(images), None
        found = self.outputs(images, ("unknown_score",))
        return found.probabilities, found.unknown_scores

    def warm_up(self, runs: int) -> None:
        """Runs a grey image ``runs`` times, because some providers compile kernels in the first inference."""
        grey = np.full((1, *self.input_shape), 127, np.uint8)
        for _ in range(runs):
            self.probabilities(grey)

    def _run(
        self, names: list[str], images: Image, states: NDArray[np.float32] | None = None
    ) -> list[NDArray[np.float32]]:
        """Runs images; a recurrent model without states runs them as clips of one frame."""
        if self.form == "image":
            return self._run_in_batches(names, {"image": self._feed(images)})
        count = len(images)
        if self.form == "clip":
            return self._run_in_batches(names, {"frames": images[:, None], "lengths": np.ones(count, np.int64)})
        before = self.start(count) if states is None else states
        return self._run_in_batches(names, {"image": self._feed(images), "state": before})

    def _run_in_batches(self, names: list[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        size, count = self.fixed_batch, len(next(iter(inputs.values())))
        if size is None or count == size:
            return self._run_batch(names, inputs)
        parts = [
            self._run_batch(names, {name: filled_batch(value[i : i + size], size) for name, value in inputs.items()})
            for i in range(0, count, size)
        ]
        return [np.concatenate(values)[:count] for values in zip(*parts, strict=True)]

    def _run_batch(self, names: list[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        if self._process != os.getpid():
            self._open_in_child()
        try:
            return cast("list[NDArray[np.float32]]", self._session.run(names, inputs))
        except Exception as error:  # onnxruntime's own classes derive from Exception alone
            remedy = "" if self.ep == "cpu" else "; try --ep cpu"
            count = len(next(iter(inputs.values())))
            raise ProviderError(
                f"{self.path}: {self.ep} failed on {count} images: {ort_reason(error)}{remedy}"
            ) from error

    def _open_in_child(self) -> None:
        """This process was forked from the one that opened the session: its threads are not here.

        Raises:
            ProviderError: it cannot be opened a second time.
            ModelError: the file is another one by now.
        """
        keep_inherited()
        with reopening.lock:
            if self._process == os.getpid():
                return
            if self._open_again is None:
                raise ProviderError(
                    f"{self.path}: {self.ep} does not work in a forked process; open the model in that process, or "
                    "start it with multiprocessing's spawn"
                )
            self._session = self._open_again()
            self._process = os.getpid()

    def _feed(self, images: Image) -> NDArray[np.uint8] | NDArray[np.float32]:
        if not self._float_input:
            return images
        rule = self.manifest.normalization  # the layout nchw-float32 has no normalisation inside
        return np.ascontiguousarray(((images.astype(np.float32) - rule.zero_point) / rule.scale).transpose(0, 3, 1, 2))


def _width(shape: Sequence[int | str | None]) -> int | None:
    if len(shape) == 1:
        return None
    last = shape[-1]
    return last if isinstance(last, int) else -1


def filled_batch(images: NDArray[Rows], size: int) -> NDArray[Rows]:
    """A batch of ``size``, filled up with its last image."""
    if len(images) == size:
        return images
    return np.concatenate([images, np.repeat(images[-1:], size - len(images), 0)])
