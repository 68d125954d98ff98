"""Quantization of a recurrent model: the CNN in int8, the head in float, gated on clips."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_clips import moving, write_frames

import exporters
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.errors import DataError, GateError, ModelError, UsageError
from edgecnn.manifest import UnknownRule
from edgecnn.preprocess import Image
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from exporters import QuantizeOptions, QuantizeResult, quantize, quantize_for
from exporters.graph.metadata import describe
from exporters.graph.passes import producers
from exporters.options import TargetName
from exporters.quantization.acceptance import AcceptanceTest
from exporters.quantization.targets import TARGETS
from exporters.temporal.clip_file import clip_file
from exporters.temporal.cnn_part import FEATURES

OPEN = QuantizeOptions(method="percentile", max_drop=1.0, min_speedup=0.0)
HEAD = ("head/", "tail/")  # how its nodes are named


@pytest.fixture(scope="module")
def results(clip_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, QuantizeResult]:
    folder = tmp_path_factory.mktemp("int8")
    paths: dict[TargetName, Path] = {name: folder / f"{name}.onnx" for name in TARGETS}
    return {r.target: r for r in quantize_for(clip_run / "m.onnx", clip_run / "clips", paths, OPEN)}


@pytest.fixture(scope="module")
def clips(clip_run: Path) -> list[Image]:
    """The steps of four clips of different lengths."""
    manifest = open_session(clip_run / "m.onnx", "cpu").manifest
    reader = ClipReader(manifest.input, manifest.preprocess, 0.1, 10.0)
    paths = [clip_run / "clips" / "left" / str(i) for i in range(3)] + [clip_run / "clips" / "right" / "0"]
    return [np.stack([step.row for step in reader.steps(path)]) for path in paths]


def answers(session: ModelSession, clip: Image) -> np.ndarray:
    """``[T, C]`` after each step."""
    state, rows = session.start(), []
    for row in clip:
        found = session.step(row[None], state)
        assert found.state is not None
        state = found.state
        rows.append(found.probabilities[0])
    return np.stack(rows)


def copied(clip_run: Path, folder: Path) -> Path:
    for name in ("m.onnx", "m.clip.onnx"):
        shutil.copy(clip_run / name, folder / name)
    return folder / "m.onnx"


@pytest.mark.parametrize("name", TARGETS)
def test_each_targets_step_answers_nearly_as_float_over_whole_clips(
    name: str, results: dict[str, QuantizeResult], clip_run: Path, clips: list[Image]
) -> None:
    floats, int8 = open_session(clip_run / "m.onnx", "cpu"), open_session(results[name].file, "cpu")
    assert results[name].decision == "int8"
    assert int8.manifest.precision == "int8"
    for clip in clips:
        difference = np.abs(answers(floats, clip) - answers(int8, clip)).max()
        assert 0 < difference < 0.03


@pytest.mark.parametrize("name", TARGETS)
def test_the_cnn_is_quantized_and_the_head_is_not(name: str, results: dict[str, QuantizeResult]) -> None:
    graph = onnx.load(results[name].file).graph
    made = producers(graph)
    for node in graph.node:
        before = [made[n].op_type for n in node.input if n in made and n != FEATURES]
        if node.op_type == "Conv":
            assert before[0] == "DequantizeLinear", node.name
        if node.name.startswith(HEAD):
            assert "DequantizeLinear" not in before, node.name
    assert {node.op_type for node in graph.node if node.name.startswith(HEAD)} >= {"GRU", "LayerNormalization", "Gemm"}
    assert "head/recurrent" in results[name].float_nodes


@pytest.mark.parametrize("name", TARGETS)
def test_the_clip_file_has_the_same_cnn_and_the_same_answers(
    name: str, results: dict[str, QuantizeResult], clips: list[Image]
) -> None:
    path = results[name].clip_file
    assert path == str(clip_file(Path(results[name].file)))
    step, whole = open_session(results[name].file, "cpu"), open_session(path, "cpu")
    assert whole.manifest == step.manifest
    lengths = np.array([len(clip) for clip in clips])
    frames = np.zeros((len(clips), lengths.max(), *clips[0].shape[1:]), np.uint8)
    for row, clip in enumerate(clips):
        frames[row, : len(clip)] = clip
    expected = np.stack([answers(step, clip)[-1] for clip in clips])
    assert np.abs(whole.classify_clips(frames, lengths) - expected).max() < 1e-4
    convolutions = [
        [node.name for node in onnx.load(file).graph.node if node.op_type == "Conv"]
        for file in (results[name].file, path)
    ]
    assert convolutions[0] == convolutions[1] != []


def test_the_golden_samples_are_sequences_with_the_answers_of_the_int8_file(
    results: dict[str, QuantizeResult],
) -> None:
    session = open_session(results["x86"].file, "cpu")
    golden = session.description.golden()
    assert golden is not None
    assert golden.chained
    numbers = np.array(golden.sequences)
    for number in set(numbers.tolist()):
        expected = golden.probabilities[numbers == number]
        assert np.abs(answers(session, golden.images[numbers == number]) - expected).max() < 1e-4


def test_the_gate_counts_held_out_clips(results: dict[str, QuantizeResult], clip_run: Path) -> None:
    result = results["x86"]
    record = open_session(clip_run / "m.onnx", "cpu").split_record
    assert record is not None
    assert result.held_out
    assert 0 < result.images < 20
    assert f"{result.images} clips" in result.reason
    assert "training clips" in result.note
    assert result.calibration.tried["percentile"] < 0.02  # by the answers after each step


def test_blocks_that_int8_harms_stay_float(
    clip_run: Path, clips: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = AcceptanceTest.evaluate

    def accurate_with_blocks(self: AcceptanceTest, candidate: Path, precision: str, blocks=()):
        attempt, found = measure(self, candidate, precision, blocks)
        return replace(attempt, accurate=bool(blocks)), found

    monkeypatch.setattr(AcceptanceTest, "evaluate", accurate_with_blocks)
    result = quantize(clip_run / "m.onnx", clip_run / "clips", tmp_path / "q.onnx", OPEN)
    assert result.decision == "mixed"
    assert result.attempts[-1].float_blocks
    assert result.clip_file is not None
    assert open_session(result.clip_file, "cpu").manifest.precision == "mixed"
    floats, mixed = open_session(clip_run / "m.onnx", "cpu"), open_session(tmp_path / "q.onnx", "cpu")
    assert np.abs(answers(floats, clips[0]) - answers(mixed, clips[0])).max() < 0.03


def test_where_int8_is_too_slow_both_float_files_ship(clip_run: Path, tmp_path: Path) -> None:
    options = replace(OPEN, min_speedup=1000.0)
    result = quantize(clip_run / "m.onnx", clip_run / "clips", tmp_path / "q.onnx", options)
    assert result.decision == "fp32"
    assert (tmp_path / "q.onnx").read_bytes() == (clip_run / "m.onnx").read_bytes()
    assert open_session(tmp_path / "q.clip.onnx", "cpu").manifest.precision == "fp32"


def test_a_failed_gate_with_strict_writes_no_file(clip_run: Path, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="--strict"):
        quantize(
            clip_run / "m.onnx",
            clip_run / "clips",
            tmp_path / "q.onnx",
            replace(OPEN, min_speedup=1000.0, strict=True),
        )
    assert list(tmp_path.iterdir()) == []


def test_clips_without_labels_are_gated_by_agreement(clip_run: Path, tmp_path: Path) -> None:
    for i in range(6):
        write_frames(tmp_path / "clips" / f"clip{i}", moving("left", 5, 900 + i))
    options = replace(OPEN, max_drop=0.25)
    result = quantize(clip_run / "m.onnx", tmp_path / "clips", tmp_path / "q.onnx", options)
    assert result.top1_drop is None
    assert result.images == 3
    assert "agrees with float" in result.reason


def test_the_unknown_threshold_rejects_as_many_clips_as_float_does(clip_run: Path, tmp_path: Path) -> None:
    model = onnx.load(clip_run / "m.onnx")
    session = open_session(clip_run / "m.onnx", "cpu")
    rule = UnknownRule("max_probability", 0.55, 0.05)
    describe(model, session.manifest.replace(unknown=rule), None, session.description.golden())
    onnx.save(model, tmp_path / "m.onnx")
    for i in range(80):
        write_frames(tmp_path / "clips" / f"clip{i}", moving("left" if i % 2 else "right", 4, 900 + i))
    result = quantize(tmp_path / "m.onnx", tmp_path / "clips", tmp_path / "q.onnx", OPEN)
    assert result.rejection is not None
    assert result.rejection.matched == result.rejection.float_
    written = open_session(tmp_path / "q.onnx", "cpu")
    assert written.manifest.unknown.threshold == result.rejection.threshold
    golden = written.description.golden()
    assert golden is not None
    assert golden.chained


def test_without_a_clip_file_beside_it_only_the_step_is_written(clip_run: Path, tmp_path: Path) -> None:
    shutil.copy(clip_run / "m.onnx", tmp_path / "m.onnx")
    result = quantize(tmp_path / "m.onnx", clip_run / "clips", tmp_path / "q.onnx", OPEN)
    assert result.clip_file is None
    assert not (tmp_path / "q.clip.onnx").exists()


def test_a_clip_file_of_another_model_is_refused(clip_run: Path, tmp_path: Path) -> None:
    step = copied(clip_run, tmp_path)
    other = onnx.load(tmp_path / "m.clip.onnx")
    weights = next(t for t in other.graph.initializer if t.name == "head.W")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 2, "head.W"))
    onnx.save(other, tmp_path / "m.clip.onnx")
    with pytest.raises(ModelError, match=r"m\.clip\.onnx: its weights are not those of"):
        quantize(step, clip_run / "clips", tmp_path / "q.onnx", OPEN)


def test_what_cannot_be_quantized_is_refused(clip_run: Path, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give the step file"):
        quantize(clip_run / "m.clip.onnx", clip_run / "clips", tmp_path / "q.onnx", OPEN)
    with pytest.raises(UsageError, match=r"q\.clip\.onnx: .* give the name of the step file, .*q\.onnx"):
        quantize(clip_run / "m.onnx", clip_run / "clips", tmp_path / "q.clip.onnx", OPEN)
    with pytest.raises(UsageError, match="--fps is for recurrent models"):
        quantize(tiny_model, shapes, tmp_path / "q.onnx", replace(OPEN, fps=10.0))
    write_frames(tmp_path / "one" / "left" / "1", moving("left", 5, 901))
    with pytest.raises(DataError, match="only one clip"):
        quantize(clip_run / "m.onnx", tmp_path / "one", tmp_path / "q.onnx", OPEN)


def test_an_unreadable_clip_is_skipped_by_name(clip_run: Path, tmp_path: Path) -> None:
    for i in range(5):
        write_frames(tmp_path / "clips" / "left" / str(i), moving("left", 5, 901 + i))
    for i in range(2):
        (tmp_path / "clips" / "right").mkdir(exist_ok=True)
        (tmp_path / "clips" / "right" / f"broken{i}.mp4").write_bytes(b"no video")
    result = quantize(clip_run / "m.onnx", tmp_path / "clips", tmp_path / "q.onnx", OPEN)
    assert {Path(s.path).name for s in result.skipped} == {"broken0.mp4", "broken1.mp4"}


def test_forms_of_a_recurrent_model_are_verified_per_frame_and_per_clip(
    clip_run: Path, results: dict[str, QuantizeResult]
) -> None:
    checkpoint = clip_run / "run" / "weights" / "best.pt"
    forms = [clip_run / "m.onnx", results["x86"].file]
    found = exporters.verify(checkpoint, forms, clip_run / "clips", max_drop=1.0, min_agreement=0.5)
    assert found.passed
    assert found.unit == "clips"
    assert [s.kind for s in found.stages] == ["torch", "onnx-fp32", "onnx-int8"]
    floats, int8 = found.stages[1], found.stages[2]
    assert floats.max_abs_diff < 1e-4
    assert floats.agreement == 1.0
    assert floats.per_frame is not None
    assert int8.per_frame is not None
    assert floats.per_frame.max_abs_diff < 1e-4
    assert 1e-4 < int8.per_frame.max_abs_diff < 0.05
    assert int8.per_frame.frames > 4 * found.images
    assert int8.per_frame.kl > floats.per_frame.kl


def test_a_stranger_fails_and_the_layer_is_named(clip_run: Path, tmp_path: Path) -> None:
    stranger = onnx.load(clip_run / "m.onnx")
    convolution = next(node for node in stranger.graph.node if node.op_type == "Conv")
    weights = next(t for t in stranger.graph.initializer if t.name == convolution.input[1])
    weights.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), weights.name))
    classifier = next(node for node in stranger.graph.node if node.op_type == "Gemm")
    for tensor in stranger.graph.initializer:
        if tensor.name in classifier.input[1:]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(stranger, tmp_path / "stranger.onnx")
    found = exporters.verify(clip_run / "m.onnx", [tmp_path / "stranger.onnx"], clip_run / "clips")
    assert not found.passed
    assert found.first_divergence is not None
    assert "of the clips" in found.first_divergence.reason
    assert found.stages[1].flips
    assert Path(found.stages[1].flips[0].image).is_dir()
    assert found.first_divergence.where is not None
    assert convolution.output[0] in found.first_divergence.where


def test_a_recurrent_model_and_one_of_images_are_not_compared(clip_run: Path, tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="recurrent model"):
        exporters.verify(clip_run / "m.onnx", [tiny_model], clip_run / "clips")
    with pytest.raises(ModelError, match="give the step file"):
        exporters.verify(clip_run / "m.onnx", [clip_run / "m.clip.onnx"], clip_run / "clips")
