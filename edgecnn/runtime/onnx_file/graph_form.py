"""The inputs and outputs of a graph: what its manifest promises, and what one inference takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from edgecnn.errors import ManifestError
from edgecnn.manifest import Manifest

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["GraphForm", "check_graph"]

GraphForm = Literal["image", "step", "clip"]
"""What one inference takes: an image; an image and the state before it; or the frames of a whole clip."""

_AGAIN = "export the model again"
_INPUTS: dict[tuple[str, ...], GraphForm] = {
    ("image",): "image",
    ("image", "state"): "step",
    ("frames", "lengths"): "clip",
}
_OUTPUTS: dict[GraphForm, tuple[str, ...]] = {
    "image": ("probabilities",),
    "step": ("probabilities", "state_out"),
    "clip": ("probabilities",),
}


def check_graph(manifest: Manifest, session: onnxruntime.InferenceSession) -> GraphForm:
    """Compares the inputs and outputs of a graph with its manifest.

    Raises:
        ManifestError: they differ. The message does not name the file.
    """
    inputs, outputs = {i.name: i for i in session.get_inputs()}, {o.name: o for o in session.get_outputs()}
    form = _form(manifest, inputs, outputs)
    if form == "clip":
        _check_clip(manifest, inputs)
    else:
        _check_image(manifest, inputs["image"])
    if form == "step":
        _check_state(manifest, inputs["state"], outputs["state_out"])
    classes = outputs["probabilities"].shape[-1]
    if classes != len(manifest.labels):
        raise ManifestError(
            f"the manifest has {len(manifest.labels)} labels, the graph outputs {classes} probabilities; {_AGAIN}"
        )
    if form != "clip" and manifest.unknown.in_graph and "unknown_score" not in outputs:
        raise ManifestError(
            f"the manifest needs the output unknown_score for {manifest.unknown.score}, but the graph has none; "
            f"{_AGAIN}"
        )
    return form


def _form(manifest: Manifest, inputs: dict[str, Any], outputs: dict[str, Any]) -> GraphForm:
    form = _INPUTS.get(tuple(sorted(inputs)))
    fits = form is not None and (form == "image") == (manifest.temporal is None)
    if form is None or not fits or not outputs.keys() >= set(_OUTPUTS[form]):
        expected = (
            "image and probabilities"
            if manifest.temporal is None
            else "image, state and probabilities, state_out, or frames, lengths and probabilities"
        )
        raise ManifestError(
            f"the graph has the inputs {', '.join(inputs)} and the outputs {', '.join(outputs)}, expected {expected}; "
            f"{_AGAIN}"
        )
    return form


def _check_image(manifest: Manifest, image: Any) -> None:
    height, width = manifest.input.height, manifest.input.width
    expected: dict[str, list[Any]] = {"tensor(uint8)": [height, width, 3], "tensor(float)": [3, height, width]}
    if image.type not in expected or image.shape[1:] != expected[image.type]:
        raise ManifestError(
            f"the input is {image.type} {image.shape}, the manifest says uint8 [N, {height}, {width}, 3]; {_AGAIN}"
        )


def _check_state(manifest: Manifest, before: Any, after: Any) -> None:
    assert manifest.temporal is not None
    size = manifest.temporal.state_size
    for name, value in (("input state", before), ("output state_out", after)):
        if value.type != "tensor(float)" or len(value.shape) != 2 or value.shape[1] != size:
            raise ManifestError(
                f"the {name} is {value.type} {value.shape}, the manifest says float32 [N, {size}]; {_AGAIN}"
            )


def _check_clip(manifest: Manifest, inputs: dict[str, Any]) -> None:
    frames, lengths = inputs["frames"], inputs["lengths"]
    height, width = manifest.input.height, manifest.input.width
    if frames.type != "tensor(uint8)" or len(frames.shape) != 5 or frames.shape[2:] != [height, width, 3]:
        raise ManifestError(
            f"the input frames is {frames.type} {frames.shape}, the manifest says uint8 [N, T, {height}, {width}, 3]; "
            f"{_AGAIN}"
        )
    if isinstance(frames.shape[1], int):
        raise ManifestError(f"the input frames has a fixed length of {frames.shape[1]} frames, expected any; {_AGAIN}")
    if lengths.type != "tensor(int64)" or len(lengths.shape) != 1:
        raise ManifestError(f"the input lengths is {lengths.type} {lengths.shape}, expected int64 [N]; {_AGAIN}")
