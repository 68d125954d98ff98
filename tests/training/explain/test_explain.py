"""edgecnn explain: images that show what was computed, for every network, and a page that needs nothing else."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.image.heatmap import overlay
from edgecnn.manifest import UnknownRule
from edgecnn.training.explain.explanation import Explained, explain
from edgecnn.training.explain.layers import first_steps, several_depths, watch
from edgecnn.training.explain.plates import filter_plate, telling_channel
from edgecnn.training.explain.sheet import Scale, Tile, draw_sheet, resized
from edgecnn.training.models.efficientnet_lite import EfficientNetLite
from edgecnn.training.models.resnet8 import ResNet8
from edgecnn.training.models.threeconv import ThreeConv
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint, save_checkpoint
from edgecnn.training.torch_backend import open_checkpoint


@pytest.fixture(scope="module")
def explained(trained: TrainResult, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Explained:
    image = min((images / "circle").iterdir())
    return explain(Path(trained.best_checkpoint), image, tmp_path_factory.mktemp("explain") / "out", classes=2)


def test_every_image_is_written_beside_a_page_that_holds_them_all(explained: Explained) -> None:
    names = [Path(f).name for f in explained.files]
    assert names[0] == "index.html"
    assert {
        "input.png",
        "filters.png",
        "steps.png",
        "features-1.png",
        "features-2.png",
        "features-3.png",
        "activation-maps.png",
    } == set(names[1:])
    page = Path(explained.files[0]).read_text()
    inside = [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', page)]
    assert inside == [Path(f).read_bytes() for f in explained.files[1:]]
    assert "default-src 'none'" in page
    for file in explained.files[1:]:
        image = cv2.imread(file)
        assert image is not None
        assert min(image.shape[:2]) > 100


def test_the_prediction_is_what_the_checkpoint_says(explained: Explained) -> None:
    backend = open_checkpoint(Path(explained.checkpoint))
    image = cv2.cvtColor(cv2.imread(explained.image), cv2.COLOR_BGR2RGB)
    seen = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    p = backend.probabilities(seen[None])[0]
    assert explained.index == p.argmax()
    assert explained.score == pytest.approx(p.max(), abs=1e-6)
    assert [s.label for s in explained.top] == [backend.manifest.labels[i] for i in (-p).argsort()]
    assert sum(s.score for s in explained.top) == pytest.approx(1, abs=1e-5)


def test_a_folder_that_holds_something_is_left_alone_without_force(explained: Explained) -> None:
    arguments = Path(explained.checkpoint), Path(explained.image), Path(explained.out), 1
    with pytest.raises(UsageError, match="--force"):
        explain(*arguments)
    assert len(explain(*arguments, force=True).top) == 1


def test_what_is_not_there_is_named_and_nothing_is_written(explained: Explained, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"nowhere\.jpg"):
        explain(Path(explained.checkpoint), tmp_path / "nowhere.jpg", tmp_path / "out")
    with pytest.raises(InputNotFoundError, match=r"none\.pt"):
        explain(tmp_path / "none.pt", Path(explained.image), tmp_path / "out")
    with pytest.raises(UsageError, match="--classes 0"):
        explain(Path(explained.checkpoint), Path(explained.image), tmp_path / "out", 0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("network", "side", "sizes"),
    [(ThreeConv(2, 50), 50, [48, 22, 9]), (ResNet8(2), 32, [32, 16, 8]), (EfficientNetLite(2), 96, [48, 24, 6, 3])],
)
def test_depths_go_from_fine_to_coarse_after_activations(network: nn.Module, side: int, sizes: list[int]) -> None:
    outputs = several_depths(watch(network.eval(), torch.rand(1, 3, side, side)))
    assert [o.size[0] for o in outputs] == sizes
    assert all(isinstance(o.module, nn.ReLU | nn.ReLU6) for o in outputs)
    assert all(o.values.min() >= 0 for o in outputs)


def test_the_first_steps_are_kept_apart_although_layers_work_in_place() -> None:
    torch.manual_seed(0)
    network = ResNet8(2).eval()
    image = torch.rand(1, 3, 32, 32) - 0.5
    convolution, norm, relu = first_steps(watch(network, image))
    assert torch.equal(convolution.values, network.stem[0](image)[0].detach())
    assert norm.values.min() < 0
    assert torch.equal(relu.values, norm.values.relu())


def test_the_filter_shown_step_by_step_has_both_signs() -> None:
    values = torch.stack([torch.full((4, 4), 9.0), torch.eye(4) - 0.5, torch.full((4, 4), -9.0)])
    assert telling_channel(values) == 1


def test_a_filters_colours_are_its_weights_grey_being_none() -> None:
    network = ThreeConv(2, 50).eval()
    with torch.no_grad():
        network.convolutions[0].weight.zero_()
        network.convolutions[0].weight[0, 0] = 1  # red light, everywhere
        network.convolutions[0].weight[1, 2, 0] = -1  # no blue in the top row
    sheet = filter_plate(watch(network, torch.rand(1, 3, 50, 50))[0], 32).image.astype(int)
    for color in ((255, 128, 128), (128, 128, 0), (128, 128, 128)):
        assert (np.abs(sheet - color).max(2) <= 1).sum() > 1000


def test_larger_images_of_few_pixels_keep_square_pixels() -> None:
    small = np.random.default_rng(0).integers(0, 256, (3, 3, 3)).astype(np.uint8)
    large = resized(small, 66)
    assert large.shape == (66, 66, 3)
    assert np.array_equal(large[11::22, 11::22], small)
    assert len(np.unique(large.reshape(-1, 3), axis=0)) == 9


def test_words_in_any_script_are_drawn_without_a_warning() -> None:
    tile = Tile(np.zeros((20, 20, 3), np.uint8), "猫咪 $\\frac{x}$ {a}")
    sheet = draw_sheet("$x", [tile], 100, 3, Scale("magma", 0, 1))
    assert sheet.dtype == np.uint8
    assert (sheet != 255).any()


def test_cold_places_stay_grey_blue_and_hot_ones_turn_red() -> None:
    image = np.full((4, 4, 3), 128, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 1
    drawn = overlay(image, heat).astype(int)
    assert drawn[0, 0, 0] - drawn[0, 0, 2] > 40
    assert np.abs(drawn[3, 3] - 128).max() < 20


def test_a_label_that_is_html_shows_as_words(trained: TrainResult, images: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(Path(trained.best_checkpoint))
    manifest = checkpoint.manifest.replace(labels=("<script>alert(1)</script>", '"><img src=x>'))
    save_checkpoint(tmp_path / "nasty.pt", replace(checkpoint, manifest=manifest))
    found = explain(tmp_path / "nasty.pt", min((images / "circle").iterdir()), tmp_path / "out")
    page = Path(found.files[0]).read_text()
    assert "<script" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize(
    ("rule", "unknown"),
    [
        (UnknownRule(threshold=0.0), False),
        (UnknownRule(threshold=1.01), True),
        (UnknownRule("energy", threshold=1e6), False),  # above its threshold, not below, is unknown
        (UnknownRule("energy", threshold=-1e6), True),
    ],
)
def test_it_is_unknown_where_the_models_own_rule_says_so(
    rule: UnknownRule, unknown: bool, trained: TrainResult, images: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(Path(trained.best_checkpoint))
    save_checkpoint(tmp_path / "ruled.pt", replace(checkpoint, manifest=checkpoint.manifest.replace(unknown=rule)))
    found = explain(tmp_path / "ruled.pt", min((images / "circle").iterdir()), tmp_path / "out", 1)
    assert found.unknown is unknown
