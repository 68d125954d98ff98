"""Recurrent model files: checked against their manifest, admitted, run, and proven by golden sequences."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from recurrent_models import (
    HIDDEN,
    SIDE,
    golden_sequences,
    onnx,
    state_size,
    write_clip_file,
    write_counter,
    write_recurrent,
)

from edgecnn import Classifier
from edgecnn.errors import GateError, ManifestError, ModelError
from edgecnn.manifest import GOLDEN_KEY, MANIFEST_KEY
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session

KINDS = ("gru", "lstm")


def frames(count: int, seed: int = 0) -> np.ndarray:
    """uint8 [count, SIDE, SIDE, 3]: each of one colour."""
    colours = np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 3))
    return np.broadcast_to(colours, (count, SIDE, SIDE, 3)).astype(np.uint8)


def stepped(session: ModelSession, clip: np.ndarray) -> np.ndarray:
    """Probabilities after each frame, [T, C]."""
    state, found = session.start(1), []
    for image in clip:
        outputs = session.step(image[None], state)
        assert outputs.state is not None
        state = outputs.state
        found.append(outputs.probabilities[0])
    return np.stack(found)


@pytest.mark.parametrize("kind", KINDS)
def test_both_files_are_admitted_and_opened(kind: str, tmp_path: Path) -> None:
    step, clip = write_recurrent(tmp_path / "m.onnx", kind), write_clip_file(tmp_path / "m.clip.onnx", kind)
    for path in (step, clip):
        admit(read_model_file(path), (SIDE, SIDE))  # in a child process, which runs it
    opened = open_session(step)
    assert (opened.form, opened.state_size) == ("step", state_size(kind))
    assert open_session(clip).form == "clip"


@pytest.mark.parametrize("kind", KINDS)
def test_the_steps_of_a_clip_end_where_the_clip_file_does(kind: str, tmp_path: Path) -> None:
    step = open_session(write_recurrent(tmp_path / "m.onnx", kind), "cpu")
    whole = open_session(write_clip_file(tmp_path / "m.clip.onnx", kind), "cpu")
    lengths = np.array([1, 7, 12, 3])
    clips = np.stack([frames(12, seed) for seed in range(4)])
    expected = [stepped(step, clip[:n])[-1] for clip, n in zip(clips, lengths, strict=True)]
    assert np.allclose(whole.classify_clips(clips, lengths), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_a_state_is_a_clip_of_one_frame(kind: str, tmp_path: Path) -> None:
    clip = frames(3)
    first = []
    for write in (write_recurrent, write_clip_file):
        session = open_session(write(tmp_path / f"{write.__name__}.onnx", kind), "cpu")
        first.append(session.probabilities(clip))
    step = open_session(tmp_path / "write_recurrent.onnx", "cpu")
    assert np.allclose(first[0], [stepped(step, image[None])[0] for image in clip], atol=1e-6)
    assert np.allclose(first[0], first[1], atol=1e-6)
    assert step.outputs(clip).embedding is not None
    assert step.outputs(clip).embedding.shape == (3, HIDDEN)


def test_a_fixed_batch_steps_any_number_of_clips(tmp_path: Path) -> None:
    free = open_session(write_recurrent(tmp_path / "free.onnx"), "cpu")
    fixed = open_session(write_recurrent(tmp_path / "fixed.onnx", batch=4), "cpu")
    assert fixed.fixed_batch == 4
    images, states = frames(6), np.random.default_rng(1).normal(size=(6, HIDDEN)).astype(np.float32)
    one, other = free.step(images, states), fixed.step(images, states)
    assert np.allclose(one.probabilities, other.probabilities, atol=1e-6)
    assert one.state is not None
    assert other.state is not None
    assert np.allclose(one.state, other.state, atol=1e-6)


def test_golden_sequences_are_stored_and_read(tmp_path: Path) -> None:
    path = write_recurrent(tmp_path / "m.onnx")
    golden = open_session(path, "cpu").description.golden()
    assert golden is not None
    assert golden.sequences == (0, 0, 0, 1, 1)
    assert golden.chained
    again = GoldenSamples.from_json(golden.to_json())
    assert again.sequences == golden.sequences
    assert np.array_equal(again.images, golden.images)


@pytest.mark.parametrize("samples", [[{"sequence": 0}, {}], [{"sequence": "0"}], [{"sequence": True}]])
def test_a_sequence_that_is_no_number_is_an_error(samples: list[dict], tmp_path: Path) -> None:
    found = json.loads(golden_sequences(onnx.load(write_recurrent(tmp_path / "m.onnx")), HIDDEN).to_json())
    for sample, change in zip(found["samples"], samples, strict=False):
        sample.pop("sequence")
        sample.update(change)
    with pytest.raises(ManifestError, match="sequence is not a whole number"):
        GoldenSamples.from_json(json.dumps(found))


def forgetful(path: Path) -> Path:
    """The model gives back the state that it got, so that it never remembers; its first step is right."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = ["after" if name == "state_out" else name for name in node.output]
        node.input[:] = ["after" if name == "state_out" else name for name in node.input]
    model.graph.node.append(onnx.helper.make_node("Identity", ["state"], ["state_out"]))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_state_fails_the_replay(kind: str, tmp_path: Path) -> None:
    path = write_recurrent(tmp_path / "m.onnx", kind)
    session = open_session(path, "cpu", prove=True)
    golden = session.description.golden()
    assert golden is not None
    assert replay(session, golden).passed
    broken = open_session(forgetful(path), "cpu")
    found = replay(broken, golden)
    assert not found.passed
    assert found.max_abs_diff > 0.01
    with pytest.raises(GateError, match="golden samples fail"):
        open_session(path, "cpu", prove=True)
    with pytest.raises(GateError):  # `auto` always replays, and a proof of the right file is not one of this
        open_session(path)


def test_a_clip_file_replays_the_same_sequences(tmp_path: Path) -> None:
    session = open_session(write_clip_file(tmp_path / "m.clip.onnx"), "cpu", prove=True)
    golden = session.description.golden()
    assert golden is not None
    other = open_session(write_clip_file(tmp_path / "other.clip.onnx", seed=5), "cpu")
    assert replay(session, golden).passed
    assert not replay(other, golden).passed


def test_the_proof_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_recurrent(tmp_path / "m.onnx")
    open_session(path)
    monkeypatch.setattr("edgecnn.runtime.session.opening._replay", lambda *_: pytest.fail("replayed again"))
    assert open_session(path).form == "step"


def test_golden_samples_that_prove_no_state_are_refused(tmp_path: Path) -> None:
    path = write_recurrent(tmp_path / "m.onnx")
    _change(path, GOLDEN_KEY, lambda found: [s.pop("sequence") for s in found["samples"]])
    with pytest.raises(ManifestError, match="cannot prove the state of a recurrent model; export"):
        open_session(path, "cpu", prove=True)


def test_a_state_of_another_size_is_told(tmp_path: Path) -> None:
    path = write_recurrent(tmp_path / "m.onnx")
    _change(path, MANIFEST_KEY, lambda found: found["temporal"].update(state_size=6))
    with pytest.raises(ManifestError, match=r"the input state is tensor\(float\) \['N', 4\], the manifest says"):
        open_session(path, "cpu")


def test_a_recurrent_graph_needs_its_part_of_the_manifest(tmp_path: Path) -> None:
    path = write_recurrent(tmp_path / "m.onnx")
    _change(path, MANIFEST_KEY, lambda found: found.pop("temporal"))
    with pytest.raises(ManifestError, match="inputs image, state .* expected image and probabilities"):
        open_session(path, "cpu")


def test_a_model_of_single_images_is_not_recurrent_by_its_manifest(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_model.read_bytes())
    spec = {"kind": "gru", "state_size": 4, "stride": 1, "frame_interval_s": 0.1, "trained_lengths": [2, 5]}
    _change(path, MANIFEST_KEY, lambda found: found.update(temporal=spec))
    with pytest.raises(ManifestError, match="expected image, state and probabilities, state_out"):
        open_session(path, "cpu")


def test_a_clip_file_cannot_follow_a_source(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes whole clips.*give the step file"):
        Classifier(write_clip_file(tmp_path / "m.clip.onnx"), ep="cpu")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_steps_on(tmp_path: Path) -> None:
    classifier = Classifier(write_counter(tmp_path / "m.onnx"), ep="cpu")
    for k in range(3):
        classifier(frames(1)[0], source="door", time_s=k / 10)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(
        target=lambda: answers.put(classifier(frames(1)[0], source="door", time_s=0.3).top[0].score)
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert answers.get() == pytest.approx(classifier(frames(1)[0], source="door", time_s=0.3).top[0].score)


def _change(path: Path, key: str, change) -> None:
    model = onnx.load(path)
    entry = next(entry for entry in model.metadata_props if entry.key == key)
    found = json.loads(entry.value)
    change(found)
    entry.value = json.dumps(found)
    path.write_bytes(model.SerializeToString())
