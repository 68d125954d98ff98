"""The clip file beside a step file, with the same weights.

Its name, and how it is rewritten when the step file is quantized.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from edgecnn.atomic import atomic_path
from edgecnn.errors import ModelError, UsageError
from edgecnn.runtime.session.opening import open_session
from exporters.graph.float_model import load_onnx
from exporters.graph.metadata import write_unchecked
from exporters.temporal.cnn_part import cut_cnn, with_cnn
from exporters.temporary_names import naming

__all__ = ["clip_file", "find_clip_graph", "require_step_name", "write_clip_form"]


def clip_file(step_file: Path) -> Path:
    """The clip file beside a step file: `model.onnx` and `model.clip.onnx`."""
    return step_file.with_suffix(f".clip{step_file.suffix}")


def require_step_name(path: Path) -> None:
    """Raises :class:`UsageError` for a step file that is to have the name of a clip file, and may replace one."""
    if path.suffixes[-2:-1] == [".clip"]:
        step = path.with_name(path.name.replace(f".clip{path.suffix}", path.suffix))
        raise UsageError(f"{path}: such names are for clip files; give the name of the step file, {step}")


def find_clip_graph(step_file: Path, step: ModelProto) -> ModelProto | None:
    """The graph of the clip file beside a step file; None if there is none.

    Raises:
        ModelError: it is not an ONNX file, or its weights are not those of the step file.
    """
    beside = clip_file(step_file)
    if not beside.exists():
        return None
    clip = load_onnx(beside)
    weights = {tensor.name: tensor for tensor in step.graph.initializer}
    shared = [tensor for tensor in clip.graph.initializer if tensor.name in weights]
    if not shared or any(tensor != weights[tensor.name] for tensor in shared):
        raise ModelError(
            f"{beside}: its weights are not those of {step_file}; export the checkpoint again, or move the file away"
        )
    return clip


def write_clip_form(clip: ModelProto, step_file: Path) -> Path:
    """Writes the clip file of a step file whose CNN was quantized, with the step file's metadata.

    Args:
        clip: the float clip graph; not changed.
        step_file: has the quantized CNN; the clip file is written beside it.

    Raises:
        OutputError: the file cannot be written.
    """
    step = onnx.load(step_file, load_external_data=False)
    made = with_cnn(clip, cut_cnn(step))
    entries = {entry.key: entry.value for entry in step.metadata_props}
    kept = {entry.key for entry in clip.metadata_props}
    onnx.helper.set_model_props(made, {key: value for key, value in entries.items() if key in kept})
    path = clip_file(step_file)
    with atomic_path(path) as temporary, naming(temporary, path):
        write_unchecked(made, temporary)
        open_session(temporary, "cpu", trusted=True)  # checks that onnxruntime loads it
    return path
