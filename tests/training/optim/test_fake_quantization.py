"""Training as if in eight bits: what is rounded, what is shared, and what comes out."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from edgecnn.errors import UsageError
from edgecnn.training import TrainOptions, train
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import find_model
from edgecnn.training.optim.fake_quantization import fake_quantized
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.setup import resolve_options

pytestmark = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is an extra of its own")
NETWORKS = [("resnet8", 32), ("mobilenetv3_small", 32), ("efficientnet_lite0", 32)]


def _network(name: str, size: int) -> ImageClassifier:
    """With statistics that a training has moved."""
    torch.manual_seed(0)
    network = find_model(name).build(3, size)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


@dataclass(frozen=True)
class Prepared:
    """A network with the form that shares its weights; neither is to be changed."""

    before: ImageClassifier
    network: ImageClassifier
    form: nn.Module
    size: int


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network[0])
def prepared(request: pytest.FixtureRequest) -> Prepared:
    name, size = request.param
    network = _network(name, size)
    before = copy.deepcopy(network)
    form = fake_quantized(network, size)
    return Prepared(before, network.eval(), form, size)


def test_the_network_answers_as_before_although_its_batch_norm_became_neutral(prepared: Prepared) -> None:
    images = torch.randn(4, 3, prepared.size, prepared.size)
    before, after = prepared.before(images).detach(), prepared.network(images).detach()
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))
    for module in prepared.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert not module.running_mean.any()


def test_making_neutral_twice_changes_nothing() -> None:
    """As a resumed run does."""
    network = _network("resnet8", 32)
    fake_quantized(network, 32)
    once = copy.deepcopy(network.state_dict())
    fake_quantized(network, 32)
    assert all(torch.equal(a, b) for a, b in zip(once.values(), network.state_dict().values(), strict=True))


def test_every_layers_weights_are_rounded_a_channel_and_shared(prepared: Prepared) -> None:
    layers = [m for m in prepared.network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    a_channel = [m for m in prepared.form.modules() if type(m).__name__ == "MovingAveragePerChannelMinMaxObserver"]
    assert len(a_channel) == len(layers)
    prepared.form(torch.randn(4, 3, prepared.size, prepared.size)).sum().backward()
    assert all(layer.weight.grad is not None for layer in layers)


@pytest.fixture(scope="module")
def trained(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("qat") / "float"
    return Path(
        train(
            TrainOptions(
                data=shapes, out=out, model="resnet8", weights="none", epochs=3, device="cpu", precision="fp32"
            )
        ).best_checkpoint
    )


def test_a_run_goes_on_from_a_checkpoint_and_gives_an_ordinary_one(trained: Path, shapes: Path, tmp_path: Path) -> None:
    result = train(TrainOptions(data=shapes, out=tmp_path / "qat", qat=trained, epochs=2, device="cpu"))
    before, after = load_checkpoint(trained), load_checkpoint(Path(result.best_checkpoint))
    assert after.model == before.model
    assert after.manifest.labels == before.manifest.labels
    assert after.manifest.preprocess == before.manifest.preprocess
    assert after.weights.keys() == before.weights.keys()
    network = after.build().eval()
    assert torch.isfinite(network(torch.randn(2, 3, 32, 32))).all()


def test_a_resumed_run_ends_as_an_uninterrupted_one(trained: Path, shapes: Path, tmp_path: Path) -> None:
    options = TrainOptions(data=shapes, out=tmp_path / "whole", qat=trained, epochs=2, device="cpu")
    whole = load_checkpoint(Path(train(options).last_checkpoint))
    part = dataclasses.replace(options, out=tmp_path / "part")
    _train_one_epoch_of_two(part)
    resumed = load_checkpoint(Path(train(dataclasses.replace(part, resume=True)).last_checkpoint))
    assert all(torch.equal(a, resumed.weights[name]) for name, a in whole.weights.items())


def _train_one_epoch_of_two(options: TrainOptions) -> None:
    """Interrupted when the second epoch begins."""
    from edgecnn.progress import Silent

    class Interrupting(Silent):
        def stage(self, name: str):
            if name.startswith("epoch 2"):
                raise KeyboardInterrupt
            return super().stage(name)

    with pytest.raises(KeyboardInterrupt):
        train(options, Interrupting())


def test_what_the_checkpoint_says_cannot_be_said_again(trained: Path, shapes: Path) -> None:
    for given in ({"model": "resnet8"}, {"preset": "scratch"}, {"imgsz": 64}, {"weights": "none"}):
        with pytest.raises(UsageError, match=f"omit --{next(iter(given))}$"):
            resolve_options(TrainOptions(data=shapes, qat=trained, **given))


def test_the_command_that_repeats_a_run_leaves_out_what_the_checkpoint_says(trained: Path, shapes: Path) -> None:
    options = TrainOptions(data=shapes, qat=trained, epochs=2)
    command = repeat_command(options, resolve_options(options), 2)
    assert f"--qat {trained}" in command
    assert not any(f"--{name} " in command for name in ("model", "preset", "imgsz", "weights"))
