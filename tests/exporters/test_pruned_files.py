"""Pruned networks keep every promise of the others, from the checkpoint to the taught int8 file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import onnx
import pytest
import torch
from grounds import write_grounds, write_stripes
from made_once import made_once
from run_outputs import identical

from edgecnn.evaluation.evaluate import validate
from edgecnn.progress import Progress, Silent
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.doctor.run import examine
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.why.report import explain_model
from edgecnn.teaching.teach import teach
from edgecnn.training.explain.explanation import explain
from edgecnn.training.inspect_checkpoint import inspect_checkpoint
from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.torch_backend import open_checkpoint
from exporters import QuantizeOptions, export_onnx, quantize, verify

_SHARE = 0.6
_GATES = QuantizeOptions(min_speedup=0.0)  # of so small networks, and beside other tests, speed tells nothing
_FULL_TRAINING = {
    "resnet8": {"imgsz": 32, "epochs": 3},
}


@dataclass(frozen=True)
class PrunedFiles:
    """Where everything lies that was made of one network; not to be written to."""

    folder: Path
    model: str

    @property
    def full(self) -> Path:
        """The checkpoint that was pruned."""
        return self.folder / "full" / "weights" / "best.pt"

    @property
    def run(self) -> Path:
        """The run with ``--prune``, of two epochs."""
        return self.folder / "run"

    @property
    def checkpoint(self) -> Path:
        return self.run / "weights" / "best.pt"

    @property
    def plain(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def int8(self) -> Path:
        return self.folder / "model.int8.onnx"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums are added in the same order in every run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty images of a dark and fifty of a light ground; not to be written to."""
    return made_once("grounds-to-prune", lambda folder: write_grounds(folder, 50), tmp_path_factory)


@pytest.fixture(scope="module", params=list(_FULL_TRAINING))
def files(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> PrunedFiles:
    model = str(request.param)

    def make(folder: Path) -> None:
        found = PrunedFiles(folder, model)
        train(replace(_options(data, folder / "full"), model=model, weights="none", **_FULL_TRAINING[model]))
        train(_pruning(found, data, found.run))
        export_onnx(found.checkpoint, found.plain)
        made = quantize(found.plain, data, found.int8, _GATES)
        (folder / "quantize.json").write_text(json.dumps(asdict(made), default=str))

    return PrunedFiles(made_once(f"pruned-{model}", make, tmp_path_factory), model)


def _options(data: Path, out: Path) -> TrainOptions:
    return TrainOptions(data=data, out=out, batch=8, device="cpu", workers=1)


def _pruning(files: PrunedFiles, data: Path, out: Path) -> TrainOptions:
    imgsz = _FULL_TRAINING[files.model]["imgsz"]
    changes = {"model": files.model, "weights": str(files.full), "imgsz": imgsz, "prune": _SHARE, "epochs": 2}
    return replace(_options(data, out), **changes)


def test_the_file_answers_as_torch_does_and_inspect_counts_what_is_left(files: PrunedFiles) -> None:
    full, pruned = inspect_checkpoint(files.full), inspect_checkpoint(files.checkpoint)
    assert pruned.macs <= _SHARE * full.macs
    for file in (files.plain, files.int8):
        assert inspect_model(file).macs == pytest.approx(pruned.macs, rel=5e-3)  # and the score of `unknown`


def test_int8_holds_its_gates(files: PrunedFiles) -> None:
    made = json.loads((files.folder / "quantize.json").read_text())
    assert made["decision"] == "int8", made["reason"]
    assert made["top1_drop"] <= _GATES.max_drop
    assert made["held_out"]
    assert all(node.startswith("score/") for node in inspect_model(files.int8).float_nodes)  # of `unknown`


def test_checkpoint_float_and_int8_file_agree_from_image_to_label(files: PrunedFiles, data: Path) -> None:
    result = verify(files.checkpoint, [files.plain, files.int8], data, min_agreement=0.95)
    assert result.passed, result.first_divergence
    assert [stage.kind for stage in result.stages] == ["torch", "onnx-fp32", "onnx-int8"]
    assert result.stages[1].agreement == 1


def test_what_was_learned_is_still_there(files: PrunedFiles, data: Path) -> None:
    """On held-out images, in every form; a network that says the same of every image would keep all other promises."""
    record = load_checkpoint(files.checkpoint).record
    for model in (open_checkpoint(files.checkpoint), open_session(files.plain), open_session(files.int8)):
        assert validate(model, record, data).top1 >= 0.9


def test_doctor_replays_the_golden_samples(files: PrunedFiles) -> None:
    for file in (files.plain, files.int8):
        found = examine(file, "cpu")
        assert found.ok
        assert any("golden samples" in finding.what for finding in found.findings if finding.level == "ok")


def test_a_changed_weight_is_noticed(files: PrunedFiles, tmp_path: Path) -> None:
    model = onnx.load(files.plain)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
    weight.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weight), weight.name))
    onnx.save(model, tmp_path / "changed.onnx")
    assert not examine(tmp_path / "changed.onnx", "cpu").ok


def test_explain_draws_the_checkpoint_and_the_files(files: PrunedFiles, data: Path, tmp_path: Path) -> None:
    image = min((data / "dark").iterdir())
    drawn = explain(files.checkpoint, image, tmp_path / "checkpoint", classes=2)
    assert "activation-maps.png" in {Path(file).name for file in drawn.files}
    for file in (files.plain, files.int8):
        answer = explain_model(file, image, tmp_path / file.stem, classes=2).answer
        assert len(answer.maps) == 2, answer.map_reason


def test_a_class_is_added_to_the_file(files: PrunedFiles, tmp_path: Path) -> None:
    write_stripes(tmp_path / "stripes", 12)
    for file in (files.plain, files.int8):
        made = teach(file, tmp_path / "stripes", tmp_path / f"taught-{file.name}")
        assert made.decision == "taught", made.reason
        with Classifier(tmp_path / f"taught-{file.name}", prove=True) as model:
            assert model.manifest.labels == ("dark", "light", "stripes")


def test_an_interrupted_run_ends_with_the_same_weights(files: PrunedFiles, data: Path, tmp_path: Path) -> None:
    class Interrupting(Silent):
        def stage(self, name: str) -> Progress:
            if name.startswith("epoch 2"):
                raise KeyboardInterrupt
            return super().stage(name)

    with pytest.raises(KeyboardInterrupt):
        train(_pruning(files, data, tmp_path / "run"), Interrupting())
    resumed = train(TrainOptions(data=data, out=tmp_path / "run", resume=True))
    assert resumed.epochs == 2
    for name in ("best.pt", "last.pt", "unpruned.pt"):
        assert identical(files.run / "weights" / name, tmp_path / "run" / "weights" / name), name


@pytest.mark.parametrize("how", ["weights", "qat"])
def test_training_goes_on_from_the_checkpoint(how: str, files: PrunedFiles, data: Path, tmp_path: Path) -> None:
    begun: dict[str, Callable[[], TrainOptions]] = {
        "weights": lambda: replace(_pruning(files, data, tmp_path), weights=str(files.checkpoint), prune=None),
        "qat": lambda: replace(_options(data, tmp_path), qat=files.checkpoint),
    }
    found = train(replace(begun[how](), out=tmp_path / "run", epochs=1))
    after, before = load_checkpoint(Path(found.best_checkpoint)), load_checkpoint(files.checkpoint)
    assert after.widths == before.widths
    assert after.weights.keys() == before.weights.keys()
    assert not identical(found.last_checkpoint, files.checkpoint)


def test_a_checkpoint_is_all_that_the_next_command_needs(files: PrunedFiles, data: Path, tmp_path: Path) -> None:
    """Neither the run folder nor the network before."""
    alone = Path(shutil.copy(files.checkpoint, tmp_path / "pruned.pt"))
    exported = export_onnx(alone, tmp_path / "again.onnx")
    assert exported.parity.max_abs_diff < 1e-4
    assert verify(files.plain, [tmp_path / "again.onnx"], data).stages[1].max_abs_diff < 1e-5
