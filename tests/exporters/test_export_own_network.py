"""A network of your own, from a few steps of training to a model file."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import CheckpointError, UsageError
from edgecnn.manifest import Normalization
from edgecnn.preprocess import preprocess
from edgecnn.runtime.session.opening import open_session
from edgecnn.training import train
from edgecnn.training.models.own import OWN, own_manifest, own_network
from edgecnn.training.models.registry import find_model
from edgecnn.training.run.checkpoint import Checkpoint, save_checkpoint
from edgecnn.training.tensors import normalize
from exporters import ExportOptions, export_onnx

SIDE = 24
RULE = Normalization(0, 255.0)
GUIDE = Path(__file__).parents[2] / "docs" / "own-network.md"


class Small(nn.Module):
    """Two convolutions, flattened by `view`."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.hidden = nn.Linear(8 * 6 * 6, 16)
        self.last = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolutions(x)
        return self.last(torch.relu(self.hidden(x.view(-1, 8 * 6 * 6))))


class Decides(Small):
    """Looks at values."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y * 2 if y.sum() > 0 else y


class OneByOne(Small):
    """Loops over the images."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([super(OneByOne, self).forward(image[None]) for image in x])


@pytest.fixture(scope="module")
def pixels(shapes: Path) -> tuple[np.ndarray, Tensor]:
    """Circles and squares, uint8 ``[N, SIDE, SIDE, 3]``, and what they are."""
    manifest = own_manifest(["circle", "square"], SIDE)
    found = [
        (preprocess(p, manifest.input, manifest.preprocess), i)
        for i, name in enumerate(manifest.labels)
        for p in sorted((shapes / name).iterdir())
    ]
    return np.stack([image for image, _ in found]), torch.tensor([label for _, label in found])


@pytest.fixture(scope="module")
def trained(pixels: tuple[np.ndarray, Tensor]) -> Small:
    """By hand, as its owner would."""
    torch.manual_seed(0)
    network = Small()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    images, labels = normalize(pixels[0], RULE, torch.device("cpu")).contiguous(), pixels[1]
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return network


def test_a_network_trained_by_hand_answers_alike_on_the_device(
    trained: Small, pixels: tuple[np.ndarray, Tensor], shapes: Path, tmp_path: Path
) -> None:
    result = export_onnx(
        trained,
        tmp_path / "own.onnx",
        ExportOptions(data=shapes),
        manifest=own_manifest(["circle", "square"], SIDE, RULE),
    )
    assert result.parity.images == 40
    assert result.parity.top1_agreement == 1
    session = open_session(tmp_path / "own.onnx", "cpu")
    with torch.inference_mode():
        expected = trained.eval()(normalize(pixels[0], RULE, torch.device("cpu")).contiguous()).softmax(1).numpy()
    found = session.probabilities(pixels[0])
    assert np.abs(found - expected).max() < 1e-5
    assert (found.argmax(1) == pixels[1].numpy()).mean() > 0.9, "it has learned something"
    assert [(o.name, o.shape[1]) for o in result.outputs] == [("probabilities", 2), ("embedding", 16)]


def test_a_checkpoint_of_an_own_network_is_exported_with_that_network(trained: Small, tmp_path: Path) -> None:
    manifest = own_manifest(["circle", "square"], SIDE, RULE)
    record = SplitRecord.of({"train": [], "val": [], "test": []})
    save_checkpoint(tmp_path / "best.pt", Checkpoint(OWN, manifest, record, own_network(trained, 2, SIDE).state_dict()))
    with pytest.raises(CheckpointError, match="network="):
        export_onnx(tmp_path / "best.pt", tmp_path / "own.onnx")
    assert not (tmp_path / "own.onnx").exists()
    result = export_onnx(tmp_path / "best.pt", tmp_path / "own.onnx", network=Small())
    assert result.parity.max_abs_diff < 1e-5


def test_a_network_without_a_last_linear_layer_is_exported_without_an_embedding(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    result = export_onnx(network, tmp_path / "own.onnx", manifest=own_manifest("abc", SIDE))
    assert [o.name for o in result.outputs] == ["probabilities"]
    assert open_session(tmp_path / "own.onnx", "cpu").probabilities(np.zeros((3, SIDE, SIDE, 3), np.uint8)).shape == (
        3,
        3,
    )


def test_a_built_in_network_trained_by_hand_is_exported_and_left_as_it_is(tmp_path: Path) -> None:
    network = find_model("resnet8").build(3, 32).train()
    assert export_onnx(network, tmp_path / "a.onnx", manifest=own_manifest("abc", 32)).outputs[1].shape[1] == 64
    assert network.training


@pytest.mark.parametrize(
    ("network", "message"),
    [(Decides(), "Decides: torch cannot export it"), (OneByOne(), "OneByOne: fixes the number of images")],
)
def test_a_network_that_cannot_be_exported_is_refused_by_name(network: nn.Module, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        export_onnx(network, tmp_path / "own.onnx", manifest=own_manifest("ab", SIDE))
    assert not list(tmp_path.iterdir())


def test_a_network_without_a_manifest_and_a_checkpoint_with_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Small: a network alone says neither its labels"):
        export_onnx(Small(), tmp_path / "own.onnx")
    with pytest.raises(UsageError, match="manifest is only for a network object"):
        export_onnx("best.pt", tmp_path / "own.onnx", manifest=own_manifest("ab", SIDE))


def test_the_guides_code_runs_as_it_stands(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block after block in one namespace, in a folder where `data` holds images.

    Blocks that train need ``train(…, network=…)``.
    """
    (tmp_path / "data").symlink_to(shapes)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    can_train = "network" in inspect.signature(train).parameters
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        if can_train or ("train(" not in block and "runs/own" not in block):
            exec(compile(block, str(GUIDE), "exec"), names)
    assert (tmp_path / "by-hand.onnx").exists()
    assert (tmp_path / "own.onnx").exists() == can_train
