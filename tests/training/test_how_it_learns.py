"""docs/how-it-learns.md says what the program does.

Its excerpts, its sums and its figures are held against code, torch and the benchmarks.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import pytest
import torch
from torch import nn
from torch.nn import functional

from edgecnn.training.models.registry import find_model
from edgecnn.training.models.threeconv import ThreeConv

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-it-learns.md").read_text()
WORDS = " ".join(PAGE.split())


def _excerpts() -> list[tuple[str, str]]:
    """File and code; an excerpt that names no file is of the file named last."""
    found, file = [], ""
    for part in re.finditer(r"\s`(edgecnn/[\w/]+\.py)`:|```python\n(.*?)```", PAGE, re.DOTALL):
        file = part[1] or file
        if part[2]:
            found.append((file, part[2]))
    return found


def _lines(code: str) -> list[str]:
    return [re.sub(r"\s*# (type: ignore|noqa).*", "", line).strip() for line in code.splitlines()]


def test_the_page_has_excerpts() -> None:
    assert {file for file, _ in _excerpts()} == {
        f"edgecnn/training/{f}.py"
        for f in ("tensors", "models/threeconv", "learner", "temporal/network", "temporal/clip_learner")
    }
    assert len(_excerpts()) >= 8


@pytest.mark.parametrize(("file", "code"), _excerpts(), ids=lambda v: v.split("\n")[0].strip()[:40])
def test_every_excerpt_still_stands_in_its_file(file: str, code: str) -> None:
    source, wanted = _lines((ROOT / file).read_text()), _lines(code)
    assert any(source[i : i + len(wanted)] == wanted for i in range(len(source))), (
        f"{file} has these lines no more; quote it anew:\n{code}"
    )


def test_what_the_page_calls_exists() -> None:
    for name in re.findall(r"`((?:edgecnn|scripts)/[\w/]+\.py)`", PAGE):
        assert (ROOT / name).is_file(), name
    assert ".backward()" in (ROOT / "edgecnn" / "training" / "learner.py").read_text()


def test_every_image_is_there_and_small() -> None:
    names = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)
    assert len(names) == len(set(names)) >= 6
    for name in names:
        path = ROOT / "docs" / name
        assert path.stat().st_size < 60_000, name
        assert cv2.imread(str(path)) is not None, name
    assert {Path(name).name for name in names} == {p.name for p in (ROOT / "docs" / "images").glob("*.jpg")}


def test_the_tables_sizes_and_counts_are_the_networks() -> None:
    network = ThreeConv(2, 150).eval()
    x = torch.zeros(1, 3, 150, 150)
    for layer in network.convolutions:
        x = layer(x)
        if not isinstance(layer, nn.Conv2d):  # the table has convolution and ReLU on one line
            assert f"| {' x '.join(map(str, x.shape[1:]))} |" in PAGE
    assert f"| flatten | {x.numel():,} |" in PAGE
    counts = [sum(p.numel() for p in m.parameters()) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all(f"| {count:,} |" in PAGE for count in counts)
    assert f"| together | | {sum(counts):,} |" in PAGE
    assert f"{max(counts) / sum(counts):.1%}".replace("%", " %") in PAGE


def test_a_place_of_the_last_map_has_seen_as_many_pixels_as_the_page_says() -> None:
    seen = 1
    for layer in reversed(ThreeConv(2, 150).convolutions[:7]):  # up to the third convolution
        seen = seen + 2 if isinstance(layer, nn.Conv2d) else 2 * seen if isinstance(layer, nn.MaxPool2d) else seen
    assert f"has seen {seen} x {seen} pixels" in WORDS


def test_the_newer_classifiers_numbers_are_counted_right() -> None:
    network = find_model("efficientnet_lite0").build(2, 224)
    assert f"{sum(p.numel() for p in network.classifier.parameters()):,} numbers" in WORDS
    assert f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} million" in WORDS


def test_the_sums_by_hand_are_torchs() -> None:
    block = re.search(r"```text\nimage\s+filter\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    rows = [re.split(r"\s{2,}", line.strip()) for line in block[1].splitlines()]
    image = torch.tensor([[float(v) for v in row[0].split()] for row in rows])
    kernel = torch.tensor([[float(v) for v in row[1].split()] for row in rows if len(row) > 1], requires_grad=True)
    bias, dense, dense_bias = (torch.tensor(v, requires_grad=True) for v in (-1.0, 0.25, -0.5))

    def forward() -> tuple[torch.Tensor, ...]:
        convolved = functional.conv2d(image[None, None], kernel[None, None], bias[None])
        pooled = functional.max_pool2d(convolved.relu(), 2).squeeze()
        logit = dense * pooled + dense_bias
        return convolved, pooled, logit, functional.binary_cross_entropy_with_logits(logit, torch.tensor(0.0))

    values = forward()
    values[-1].backward()
    convolved, pooled, logit, loss = (v.detach() for v in values)
    a, b, c, d = (f"{v:g}" for v in convolved.detach().flatten().tolist())
    assert f"{a}, {b} in the first row, {c}, {d} in the second" in WORDS
    assert f"**Max-pooling:** {pooled:g}," in WORDS
    assert f"= {logit:g}. That is the logit" in WORDS
    share = float(torch.sigmoid(logit))
    assert f"e^-0.5) = {share:.4f}, that of cat {1 - share:.4f}" in WORDS
    assert f"-ln {1 - share:.4f} = {loss:.4f}" in WORDS
    assert kernel.grad is not None
    assert f"{share:.4f} x 4 = {dense.grad:.4f}; its bias was only added: {dense_bias.grad:.4f}" in WORDS
    assert f"x 0.25 = {bias.grad:.4f}" in WORDS
    assert (
        f"x 2 = {kernel.grad[0, 2]:.4f}. Its left column lay on zeros: {kernel.grad[:, 0].abs().max():g}. Its bias: "
        f"{bias.grad:.4f}"
    ) in WORDS
    with torch.no_grad():
        for weight in (kernel, bias, dense, dense_bias):
            weight.sub_(0.1 * weight.grad)
    assert f"1 - 0.1 x {kernel.grad[0, 2]:.4f} = {kernel.detach()[0, 2]:.4f}" in WORDS
    assert f"0.25 - 0.1 x {dense.grad:.4f} = {dense.detach():.4f}" in WORDS
    _, pooled, logit, loss = (v.detach() for v in forward())
    after = f"a pooled {pooled:.4f}, a logit of {logit:.4f}, a probability of dog of {torch.sigmoid(logit):.4f} and a loss of {loss:.4f}"
    assert after in WORDS


def test_what_the_newer_recipe_wins_by_is_what_was_measured() -> None:
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    table = PAGE[PAGE.index("## Why the newer recipe is better") :]
    for line in table.splitlines():
        if line.startswith("| `"):
            for figure in re.findall(r"[\d.]+ (?:%|s)(?= )", line):
                assert figure in measured, f"{figure}: not in docs/benchmarks.md"
