"""Compares rejection scores, and measures calibration, of one trained network in float and in int8, on images that
nothing was fitted on.

    python benchmarks/bench_unknown.py RUN/weights/best.pt --data DATA --unknown OTHER_IMAGES

DATA is what the run was trained on. Scores are fitted on its training images; the images that it held out are dealt
into two halves again
and again, one for thresholds and temperature, the other to measure. A range of class folders can be left out of
OTHER_IMAGES
(`--leave-out n02085620-n02113978`) or counted apart (`--group animals=n01440764-n02655020`), by name and in their
order.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.data.dataset import find_images, select_eval_images
from edgecnn.data.loading import fitted_batches
from edgecnn.evaluation.metrics import compute_metrics, ece_band
from edgecnn.evaluation.ood_threshold import fit_threshold, rejected
from edgecnn.evaluation.temperature import fit_temperature
from edgecnn.manifest import UnknownRule
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.calibration.ood_score import build_score, fit_unknown, spread
from edgecnn.training.tensors import two_columns
from edgecnn.training.torch_backend import TorchBackend, open_checkpoint
from exporters import QuantizeOptions, export_onnx, quantize

Floats = NDArray[np.floating]
Score = Callable[[Floats, Floats], Floats]
"""Features ``[N, D]`` and logits ``[N, C]`` -> scores ``[N]``, higher is more unknown."""
DEALS = 20


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    checkpoint = open_checkpoint(options.checkpoint)
    manifest, record = checkpoint.manifest, checkpoint.split_record
    train, truth_of = by_split(options.data, checkpoint, "train")
    held = [
        (p, t) for split in ("val", "test") for p, t in zip(*by_split(options.data, checkpoint, split), strict=True)
    ]
    val = len(by_split(options.data, checkpoint, "val")[0])
    truth = np.array([t for _, t in held])
    others = groups(options)
    chosen = spread(len(train))
    labels = np.array([truth_of[i] for i in chosen])
    features = torch_features(checkpoint, [train[i] for i in chosen])
    fitted = torch_features(checkpoint, [p for p, _ in held[:val]])
    temperature = fit_temperature(head(checkpoint, fitted.numpy()).astype(np.float32), truth[:val])
    fit = fit_unknown(features, fitted, torch.from_numpy(head(checkpoint, fitted.numpy())), temperature)
    print(
        f"{options.checkpoint}: {manifest.training.model}, {len(train)} training images, {len(held)} held out; "
        f"{fit.rule}"
    )
    shipped = TorchBackend(
        checkpoint.network,
        manifest.replace(unknown=fit.rule, temperature=temperature),
        record,
        checkpoint.file,
        fit.tensors,
    )
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        plain, int8 = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        export_onnx(shipped, plain)
        result = quantize(plain, options.data, int8, QuantizeOptions(max_drop=1.0, min_speedup=0.0))
        print(
            f"int8: agreement {result.agreement:.4f}, {result.speedup:.2f}x, {result.size_bytes / 1e6:.2f} MB; "
            f"{result.rejection}"
        )
        for path in (plain, int8):
            session = open_session(path, "cpu")
            known = read(session, [p for p, _ in held])
            unknown = {name: read(session, paths) for name, paths in others.items()}
            title = f"{path.stem}, threshold {session.manifest.unknown.threshold}"
            as_shipped(title, session, known, unknown, val)
            compare(scores(checkpoint, features.numpy(), labels), checkpoint, known, unknown, options.deals)
            calibration(head(checkpoint, known[0]), truth, manifest.labels, options.deals)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--unknown", type=Path, required=True)
    parser.add_argument("--leave-out", action="append", default=[], metavar="FIRST-LAST")
    parser.add_argument("--group", action="append", default=[], metavar="NAME=FIRST-LAST")
    parser.add_argument("--deals", type=int, default=DEALS)
    parser.add_argument("--work", type=Path, help="where the two model files are made")
    return parser.parse_args()


def by_split(data: Path, checkpoint: TorchBackend, split: str) -> tuple[tuple[Path, ...], tuple[int, ...]]:
    everything = select_eval_images(data, checkpoint.manifest, checkpoint.split_record, "all")
    assert everything.truth is not None
    if split == "train":
        index = dict(zip(everything.paths, everything.truth, strict=True))
        return everything.trained_on, tuple(index[p] for p in everything.trained_on)
    found = select_eval_images(data, checkpoint.manifest, checkpoint.split_record, split)  # type: ignore[arg-type]
    assert found.truth is not None
    return found.paths, found.truth


def groups(options: argparse.Namespace) -> dict[str, list[Path]]:
    """The images that are not of the classes, those left out among them apart, since they show what else moves the
    score."""
    images = find_images(options.unknown)

    def within(ranges: Sequence[str]) -> list[Path]:
        ends = [tuple(r.split("-", 1)) for r in ranges]
        return [p for p in images if any(first <= p.parent.name <= last for first, last in ends)]

    left_out = set(within(options.leave_out))
    named = dict(g.split("=", 1) for g in options.group)
    found = {"all": [p for p in images if p not in left_out]}
    found |= {name: [p for p in within([span]) if p not in left_out] for name, span in named.items()}
    return found | ({"left out": sorted(left_out)} if left_out else {})


def torch_features(model: TorchBackend, paths: Sequence[Path]) -> torch.Tensor:
    return torch.cat([model.features(batch.images) for batch in fitted_batches(paths, model.manifest, 32)])


def head(model: TorchBackend, features: Floats) -> NDArray[np.float32]:
    """Logits ``[N, C]`` of features ``[N, D]``."""
    with torch.inference_mode():
        found: NDArray[np.float32] = two_columns(model.network.classifier(torch.from_numpy(features).float())).numpy()
    return found


def read(session: ModelSession, paths: Sequence[Path]) -> tuple[Floats, Floats, Floats]:
    """Features, probabilities and unknown scores of images."""
    found = [session.outputs(batch.images) for batch in fitted_batches(paths, session.manifest, 32)]
    columns = ([o.embedding for o in found], [o.probabilities for o in found], [o.unknown_scores for o in found])
    embedding, probabilities, unknown = (
        np.concatenate([part for part in column if part is not None]) for column in columns
    )
    return embedding, probabilities, unknown


def as_shipped(
    title: str, session: ModelSession, known: tuple[Floats, ...], unknown: Mapping[str, tuple[Floats, ...]], val: int
) -> None:
    """By the file's own score and threshold; false rejects on the run's test part."""
    rule = session.manifest.unknown
    shares = [f"{name} {rejected(rule, found[2]).mean():.3f}" for name, found in unknown.items()]
    test = rejected(rule, known[2][val:])
    lost = f"{test.mean():.3f} of {len(test)} test images" if len(test) else "no test part"
    print(f"\n== {title}: false rejects {lost}; rejected: {', '.join(shares)}")


def compare(
    found: dict[str, Score],
    model: TorchBackend,
    known: tuple[Floats, ...],
    unknown: Mapping[str, tuple[Floats, ...]],
    deals: int,
) -> None:
    """A row a score: false rejects on the measured half, and the share of each group rejected, means over the deals."""
    rule = UnknownRule("feature_distance")  # for the direction: all scores here are higher where more unknown
    print(f"{'score':30s} {'false rejects':>14s} " + " ".join(f"{name:>10s}" for name in unknown))
    for name, score in found.items():
        own = score(known[0], head(model, known[0]))
        others = [score(features, head(model, features)) for features, *_ in unknown.values()]
        rows = []
        for deal in range(deals):
            order = np.random.default_rng(deal).permutation(len(own))
            half = len(own) // 2
            fitted = fit_threshold(rule, own[order[:half]] * _scale(own))
            rows.append([rejected(fitted, values * _scale(own)).mean() for values in (own[order[half:]], *others)])
        mean = np.mean(rows, axis=0)
        print(f"{name:30s} {mean[0]:14.3f} " + " ".join(f"{share:10.3f}" for share in mean[1:]))


def _scale(scores: Floats) -> float:
    """Thresholds have four digits: brings any score to where that is fine."""
    return float(1000 / max(np.abs(scores).max(), 1e-12))


def scores(model: TorchBackend, features: Floats, labels: NDArray[np.integer]) -> dict[str, Score]:
    """What was tried, fitted on training features ``[M, D]``."""
    unit = _unit(features)
    found: dict[str, Score] = {
        "max_probability": lambda _, z: -_softmax(z).max(1),
        "energy (Liu 2020)": lambda _, z: -np.logaddexp.reduce(z.astype(np.float64), 1),
        "cosine to class means": _cosine(unit, labels),
        "nearest neighbour (Sun 2022)": lambda f, _: -(_unit(f) @ unit.T).max(1),
    }
    for name, form in (("", lambda f: f.astype(np.float64)), ("unit ", _unit)):
        x = form(features)
        found[f"{name}Mahalanobis, classes"] = _mahalanobis(x, _means(x, labels), labels, form)
        found[f"{name}Mahalanobis, relative"] = _relative(x, labels, form)
        found[f"{name}Gaussian, one"] = _mahalanobis(x, x.mean(0, keepdims=True), np.zeros_like(labels), form)
        found[f"{name}residual of 32 (ViM)"] = _residual(x, form)
    tensors = fit_unknown(
        torch.from_numpy(features), torch.from_numpy(features), torch.from_numpy(head(model, features))
    )
    module = build_score(tensors.rule, tensors.tensors)
    if module is not None:
        found["feature_distance, as shipped"] = lambda f, z: module(
            torch.from_numpy(f).float(), torch.from_numpy(z)
        ).numpy()
    return found


def _unit(features: Floats) -> Floats:
    wide = features.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def _means(x: Floats, labels: NDArray[np.integer]) -> Floats:
    return np.stack([x[labels == c].mean(0) for c in np.unique(labels)])


def _cosine(unit: Floats, labels: NDArray[np.integer]) -> Score:
    means = _unit(_means(unit, labels))
    return lambda f, _: -(_unit(f) @ means.T).max(1)


def _precision(centred: Floats, spread_of: Floats) -> Floats:
    """Inverse covariance, a tenth of it shrunk towards a multiple of the identity.

    The mean variance of all features.
    """
    covariance = centred.T @ centred / len(centred)
    return np.linalg.inv(0.9 * covariance + 0.1 * spread_of.var(0).mean() * np.eye(covariance.shape[0]))


def _mahalanobis(x: Floats, means: Floats, labels: NDArray[np.integer], form: Callable[[Floats], Floats]) -> Score:
    precision = _precision(x - means[np.unique(labels, return_inverse=True)[1]], x)
    return lambda f, _: np.min([(((form(f) - m) @ precision) * (form(f) - m)).sum(1) for m in means], axis=0)


def _relative(x: Floats, labels: NDArray[np.integer], form: Callable[[Floats], Floats]) -> Score:
    near = _mahalanobis(x, _means(x, labels), labels, form)
    all_of_it = _mahalanobis(x, x.mean(0, keepdims=True), np.zeros_like(labels), form)
    return lambda f, z: near(f, z) - all_of_it(f, z)


def _residual(x: Floats, form: Callable[[Floats], Floats]) -> Score:
    mean = x.mean(0)
    basis = np.linalg.svd(x - mean, full_matrices=False)[2][:32].T

    def score(f: Floats, _: Floats) -> Floats:
        z = form(f) - mean
        return np.asarray(np.linalg.norm(z - z @ basis @ basis.T, axis=1))

    return score


def calibration(logits: NDArray[np.float32], truth: NDArray[np.integer], labels: tuple[str, ...], deals: int) -> None:
    """Before and after temperature, fitted on the one half, measured on the other."""
    rows = []
    for deal in range(deals):
        order = np.random.default_rng(deal).permutation(len(truth))
        fitted, measured = order[: len(order) // 2], order[len(order) // 2 :]
        temperature = fit_temperature(logits[fitted], truth[fitted])
        before, after = (
            compute_metrics(_softmax(logits[measured] / t), truth[measured].tolist(), labels)
            for t in (1.0, temperature)
        )
        high = ece_band(_softmax(logits[measured] / temperature), deal)[1]
        rows.append(
            (temperature, before.nll, after.nll, after.nll < before.nll, before.ece, after.ece, high, after.ece <= high)
        )
    mean = np.mean(np.array(rows, np.float64), axis=0)
    print(
        f"temperature {mean[0]:.3f}: NLL {mean[1]:.4f} -> {mean[2]:.4f} (lower in {mean[3]:.0%} of {deals} deals), "
        f"ECE {mean[4]:.4f} -> {mean[5]:.4f}, inside the band (to {mean[6]:.4f}) in {mean[7]:.0%}"
    )


if __name__ == "__main__":
    main()
