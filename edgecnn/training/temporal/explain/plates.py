"""The images of `explain` for a clip, each with an explanation for learners."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from edgecnn.evaluation.explanation_page import Plate
from edgecnn.image.heatmap import overlay
from edgecnn.preprocess import Image
from edgecnn.training.explain.sheet import Scale, Tile, draw_sheet
from edgecnn.training.report.plots import PLOT_STYLE, new_axes
from edgecnn.training.report.timelines import COLORS
from edgecnn.training.temporal.explain.clip_maps import clip_maps
from edgecnn.training.temporal.explain.gates import Memory
from edgecnn.training.temporal.network import ClipClassifier

__all__ = ["answer_plate", "clip_plates", "frame_plate", "gate_plate", "map_plate", "state_plate"]

_STRIP_PX = 896  # width of a plot of all steps
_ROW_PX = 4  # height of the row of one unit
_FRAMES = 8  # most frames above a plot of all steps, and in a sheet of frames
_GATE_WORDS = {
    "reset": "Reset gate: where it is near 0, the proposed new value ignores the old state.",
    "update": "Update gate: where it is near 1, the old value is kept; near 0, the proposed new value replaces it.",
    "input": "Input gate: where it is near 1, the proposed new value is added to the cell state.",
    "forget": "Forget gate: where it is near 1, the cell state is kept; where it is near 0, it is forgotten.",
    "output": "Output gate: where it is near 1, the cell state shows in the hidden state; near 0, it does not.",
}


def frame_plate(frames: Image, times_s: NDArray[np.float64]) -> Plate:
    """Some frames ``[T, H, W, 3]`` of the clip."""
    words = (
        f"The clip, as the network reads it: {len(frames)} steps. The CNN turns each frame into a row of numbers, its "
        "embedding. The recurrent layer reads how these rows change from step to step, with the same weights at every "
        "step. So a clip may have any length."
    )
    tiles = [Tile(frames[i], f"{times_s[i]:.2f} s") for i in _chosen(len(frames))]
    return Plate("frames", "The clip", words, draw_sheet("Frames", tiles, 104, _FRAMES))


def state_plate(memory: Memory, frames: Image) -> Plate:
    """The hidden state, one row per unit and one column per step."""
    words = (
        "The memory. Each row is one number of the hidden state, each column one step; red is above 0, blue below. The "
        "state starts as zeros. A row that keeps its colour remembers something; one that changes at an event reacts "
        "to it. The last column is all that the network knows of the whole clip. Rows are sorted by their last value."
    )
    shown = memory.hidden.float().cpu().numpy()
    order = np.argsort(-shown[-1], kind="stable")
    scale = Scale("RdBu_r", -1.0, 1.0)
    tiles = [Tile(_over_time(shown[:, order], scale, frames), "hidden state")]
    if memory.cell is not None:
        cell = memory.cell.float().cpu().numpy()[:, order]
        reach = float(np.abs(cell).max()) or 1.0
        words += (
            f" Below it: the cell state of the LSTM, from {-reach:.1f} (blue) to {reach:.1f} (red). It is the memory "
            "itself; the hidden state is the part of it that the output gate lets out."
        )
        tiles.append(Tile(_over_time(cell, Scale("RdBu_r", -reach, reach), frames), "cell state"))
    return Plate("hidden-state", "The hidden state over time", words, draw_sheet("State", tiles, _STRIP_PX, 1, scale))


def gate_plate(memory: Memory, frames: Image) -> Plate:
    """The gates, one row per unit and one column per step."""
    order = np.argsort(-memory.hidden[-1].float().cpu().numpy(), kind="stable")
    scale = Scale("magma", 0.0, 1.0)
    tiles = [
        Tile(_over_time(gate.float().cpu().numpy()[:, order], scale, frames), f"{name} gate")
        for name, gate in memory.gates.items()
    ]
    gates = " ".join(_GATE_WORDS[name] for name in memory.gates)
    words = (
        "Gates are numbers from 0 (dark) to 1 (bright), computed at every step from the change of the embedding and "
        f"the state. They decide what is remembered. The rows have the order of those of the hidden state. {gates}"
    )
    return Plate("gates", "The gates over time", words, draw_sheet("Gates", tiles, _STRIP_PX, 1, scale))


def answer_plate(
    probabilities: NDArray[np.float32], times_s: NDArray[np.float64], answers: Sequence[tuple[int, str, float]]
) -> Plate:
    """The probabilities ``[T, C]`` over time, for the classes in ``answers`` (index, label, probability at the end)."""
    with mpl.rc_context(PLOT_STYLE):
        figure, axes = new_axes("Probability after each step", "seconds", "probability")
        figure.set_size_inches(8.96, 3.2)
        canvas = FigureCanvasAgg(figure)
        for place, (index, label, _) in enumerate(answers):
            color = COLORS[place % len(COLORS)]
            axes.plot(times_s, probabilities[:, index], color=color, marker="o", ms=3, label=label.replace("$", r"\$"))
        axes.set_ylim(-0.02, 1.02)
        axes.legend()
        canvas.draw()  # type: ignore[no-untyped-call]
        image = np.array(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]
    words = (
        "After each step, a linear layer and softmax turn the hidden state into probabilities. The answer for the clip "
        "is that of the last step. On a stream, every step gives an answer."
    )
    return Plate("probabilities", "The answer over time", words, image)


def map_plate(network: ClipClassifier, inputs: torch.Tensor, frames: Image, answer: tuple[int, str, float]) -> Plate:
    """The places of some frames that support the answer after the last step; ``inputs`` float ``[T, 3, H, W]``."""
    maps = clip_maps(network, inputs, answer[0])
    tiles = [
        Tile(overlay(frames[i], maps[i]), f"step {i + 1}{'' if maps[i].any() else ', no evidence'}")
        for i in _chosen(len(frames))
    ]
    words = (
        f"Which places of which frames support {answer[1]} after the last step: red ones do, blue ones do not. All "
        "frames have one scale, so a frame without red adds little. The network reads changes: a place counts where "
        "something appears, moves or goes. Maps that follow the moving object are a good sign; maps on the background "
        "are not."
    )
    sheet = draw_sheet("Support for the answer", tiles, 104, _FRAMES, Scale("turbo", 0.0, 1.0))
    return Plate("activation-maps", "Where the answer comes from", words, sheet)


def clip_plates(
    network: ClipClassifier,
    memory: Memory,
    frames: Image,
    inputs: torch.Tensor,
    times_s: NDArray[np.float64],
    probabilities: NDArray[np.float32],
    answers: Sequence[tuple[int, str, float]],
) -> list[Plate]:
    """All images, in the order of the computation; the arguments are those of the functions above."""
    return [
        frame_plate(frames, times_s),
        state_plate(memory, frames),
        gate_plate(memory, frames),
        answer_plate(probabilities, times_s, answers),
        map_plate(network, inputs, frames, answers[0]),
    ]


def _chosen(steps: int) -> list[int]:
    """At most ``_FRAMES`` steps, evenly spread over the clip, with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, steps - 1, min(steps, _FRAMES))})


def _strip(frames: Image) -> Image:
    """At most ``_FRAMES`` frames side by side, each from the middle of the steps that it stands above."""
    count = min(len(frames), _FRAMES)
    width = _STRIP_PX // count
    height = round(width * frames.shape[1] / frames.shape[2])
    if count < _FRAMES:
        height = min(height, _STRIP_PX // _FRAMES)
    strip = np.full((height, _STRIP_PX, 3), 255, np.uint8)
    wide = min(width, round(height * frames.shape[2] / frames.shape[1]))
    for place in range(count):
        frame = frames[int((place + 0.5) * len(frames) / count)]
        left = place * width + (width - wide) // 2
        strip[:, left : left + wide] = cv2.resize(frame, (wide, height), interpolation=cv2.INTER_AREA)
    return strip


def _over_time(values: NDArray[np.float32], scale: Scale, frames: Image) -> Image:
    """``[T, H]`` as an image, one row per unit and one column per step, below frames of the clip."""
    painted = scale.paint(values.T)
    height = max(64, min(_ROW_PX * values.shape[1], 256))
    heat = cv2.resize(painted, (_STRIP_PX, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.vstack((_strip(frames), np.asarray(heat, np.uint8)))
