"""Checkpoints: what is saved is what is loaded, and anything else is refused by name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgecnn.errors import CheckpointError, InputNotFoundError
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import FORMAT, load_checkpoint, save_checkpoint


@pytest.fixture
def best(trained: TrainResult, tmp_path: Path) -> Path:
    """A copy of a trained checkpoint that may be spoilt."""
    return Path(shutil.copy(trained.best_checkpoint, tmp_path / "best.pt"))


def _spoil(path: Path, **changes: object) -> Path:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    return path


@pytest.mark.parametrize("name", ["best_checkpoint", "last_checkpoint"])
def test_what_is_saved_is_what_is_loaded(name: str, trained: TrainResult, tmp_path: Path) -> None:
    first = load_checkpoint(Path(getattr(trained, name)))
    save_checkpoint(tmp_path / "again.pt", first)
    second = load_checkpoint(tmp_path / "again.pt")
    assert (second.model, second.manifest, second.record) == (first.model, first.manifest, first.record)
    assert list(second.weights) == list(first.weights)
    assert all(
        torch.equal(second.weights[k], v) and second.weights[k].dtype == v.dtype for k, v in first.weights.items()
    )
    assert (second.progressed is None) == (first.progressed is None) == (name == "best_checkpoint")
    if first.progressed and second.progressed:
        assert second.progressed.history == first.progressed.history
        assert second.progressed.recipe == first.progressed.recipe
        state = first.progressed.learner["optimizer"]["state"]
        assert state
        assert all(
            torch.equal(second.progressed.learner["optimizer"]["state"][k]["exp_avg"], v["exp_avg"])
            for k, v in state.items()
        )


def test_the_network_built_from_a_checkpoint_answers_as_its_weights_do(best: Path) -> None:
    checkpoint = load_checkpoint(best)
    network = checkpoint.build()
    assert not network.training
    assert all(torch.equal(checkpoint.weights[k], v) for k, v in network.state_dict().items())


def test_torch_reads_a_checkpoint_with_weights_alone_permitted(trained: TrainResult) -> None:
    for path in (trained.best_checkpoint, trained.last_checkpoint):
        assert torch.load(path, weights_only=True)["edgecnn_checkpoint"] == FORMAT


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 0.9999])
def test_a_checkpoint_cut_short_is_refused_by_name(share: float, best: Path) -> None:
    content = best.read_bytes()
    best.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r"best\.pt"):
        load_checkpoint(best)


def test_a_byte_changed_anywhere_outside_the_tensors_is_refused_or_harmless(best: Path) -> None:
    """Never another error, and never another model."""
    content, checkpoint = best.read_bytes(), load_checkpoint(best)
    refusals = []
    for position in range(0, 2_000, 41):
        best.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            found = load_checkpoint(best)
        except CheckpointError as error:
            refusals.append(str(error))
        else:
            assert found.model == checkpoint.model
            assert found.manifest == checkpoint.manifest
    assert refusals
    assert all("best.pt" in line for line in refusals)


def test_a_byte_changed_in_the_weights_is_refused_by_name(best: Path) -> None:
    weights = load_checkpoint(best).weights["blocks.2.layers.3.weight"].numpy().tobytes()
    content = bytearray(best.read_bytes())
    place = bytes(content).index(weights) + len(weights) // 2
    content[place] ^= 0x40
    best.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"best\.pt"):
        load_checkpoint(best)


@pytest.mark.parametrize(
    "content", [{"a": torch.zeros(2)}, torch.zeros(3), [1, 2], "text"], ids=["dict", "tensor", "list", "text"]
)
def test_a_foreign_torch_file_is_refused_by_name(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"foreign\.pt: a torch file, but no checkpoint of EdgeCNN"):
        load_checkpoint(tmp_path / "foreign.pt")


@pytest.mark.parametrize("content", [b"just some text\n", b"", b"PK\x03\x04", b"\x80\x02.", bytes(range(256))])
def test_a_file_of_another_kind_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.pt: not a checkpoint that can be read"):
        load_checkpoint(tmp_path / "other.pt")


def test_a_whole_network_that_another_program_saved_is_told_as_such(tmp_path: Path) -> None:
    """As `torch.save(model)` writes it; torch would advise weights_only=False."""
    torch.save(torch.nn.Linear(2, 2), tmp_path / "network.pt")
    with pytest.raises(CheckpointError, match=r"read: it holds another program's Python objects; give a weights/best"):
        load_checkpoint(tmp_path / "network.pt")
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(
        CheckpointError, match=r"model\.onnx: not a checkpoint that can be read: it is no file of torch;"
    ):
        load_checkpoint(tmp_path / "model.onnx")


def test_a_folder_and_a_missing_file_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_checkpoint(tmp_path)
    with pytest.raises(InputNotFoundError, match=r"none\.pt"):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("version", [FORMAT + 2, 0, "1"])
def test_another_format_version_is_refused_with_both_versions(version: object, best: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"best\.pt: checkpoint format {version}, this program reads {FORMAT}"):
        load_checkpoint(_spoil(best, edgecnn_checkpoint=version))


@pytest.mark.parametrize("changes", [{"manifest": "{}"}, {"manifest": None}, {"split": "[]"}, {"progressed": {"a": 1}}])
def test_a_checkpoint_with_a_broken_part_is_refused_by_name(changes: dict[str, object], best: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best\.pt: a broken checkpoint"):
        load_checkpoint(_spoil(best, **changes))


def test_weights_that_are_no_tensors_are_refused(best: Path) -> None:
    weights = {**load_checkpoint(best).weights, "stem.0.weight": "text"}
    with pytest.raises(CheckpointError):
        load_checkpoint(_spoil(best, weights=weights)).build()


@pytest.mark.parametrize("weights", [None, [1.0], {1: torch.zeros(1)}], ids=["none", "list", "number"])
def test_weights_that_are_no_table_by_name_are_refused(weights: object, best: Path) -> None:
    with pytest.raises(CheckpointError):
        load_checkpoint(_spoil(best, weights=weights)).build()


def test_weights_that_do_not_fit_the_network_are_refused(best: Path) -> None:
    checkpoint = load_checkpoint(best)
    weights = {**checkpoint.weights, "stem.0.weight": torch.zeros(1, 2, 3)}
    with pytest.raises(CheckpointError, match="do not fit resnet8"):
        replace(checkpoint, weights=weights).build()
