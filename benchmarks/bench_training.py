#!/usr/bin/env python
"""How good a model `edgecnn train` gives, and how soon: a mean over seeds, each seed with a split of its own.

python benchmarks/bench_training.py cats-dogs FOLDER [--minutes 5]
python benchmarks/bench_training.py scratch FOLDER              # threeconv from scratch: the lecture's recipe beside
the newer one
python benchmarks/bench_training.py elpv [--minutes 15 | --epochs 30]
python benchmarks/bench_training.py cifar FOLDER [--epochs 120]  # train/ and test/ with a folder a class
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from edgecnn.cli.output import reporting
from edgecnn.training import TrainOptions, TrainResult, train

PUBLISHED = {"elpv": "Deitsch et al., Solar Energy 185 (2019): CNN 88.42 %, SVM 82.44 %"}


def main() -> None:
    """Trains each seed and prints the table."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    columns = ("run", "seed", "epochs", "validation top-1", "test top-1", "macro-F1", "ECE", "seconds")
    table = Table(*columns, title=f"{asked.what}, {asked.threads} threads")
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        for name, runs in _runs(asked, Path(work)).items():
            results = []
            for options in runs:
                with reporting() as reporter:
                    result = train(options, reporter)
                results.append(result)
                table.add_row(name, str(options.seed), *_figures(result))
                print(f"{name}, seed {options.seed}: {_figures(result)}", flush=True)
            if len(results) > 1:
                top1 = [r.val_top1 for r in results]
                spread = f"{statistics.mean(top1):.4f} ± {statistics.stdev(top1):.4f}"
                table.add_row(
                    name,
                    "mean",
                    "",
                    spread,
                    "",
                    "",
                    "",
                    f"{statistics.mean(r.seconds for r in results):.0f}",
                    style="bold",
                    end_section=True,
                )
    Console(width=110).print(table)
    print(PUBLISHED.get(asked.what, ""))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cats-dogs", "scratch", "elpv", "cifar"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="time budget of each run")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--model")
    parser.add_argument("--preset")
    parser.add_argument("--imgsz", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--layer-decay", type=float)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, help="where the runs are written meanwhile")
    asked = parser.parse_args()
    if asked.data is None and asked.what != "elpv":
        parser.error(f"{asked.what}: name the folder of images")
    return asked


def _runs(asked: argparse.Namespace, work: Path) -> dict[str, list[TrainOptions]]:
    common = TrainOptions(
        data=asked.data or Path(),
        epochs=asked.epochs,
        time_budget_min=asked.minutes,
        device=asked.device,
        model=asked.model,
        imgsz=asked.imgsz,
        lr=asked.lr,
        layer_decay=asked.layer_decay,
    )
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    if asked.what == "cats-dogs":
        return {
            asked.preset or "transfer": [replace(common, preset=asked.preset, out=work / f"{s}", seed=s) for s in seeds]
        }
    if asked.what == "scratch":
        newer = replace(common, model="threeconv", weights="none")
        classic = replace(newer, preset="classic")
        return {
            name: [replace(o, out=work / f"{name}{s}", seed=s) for s in seeds]
            for name, o in (("classic", classic), ("scratch", newer))
        }
    if asked.what == "cifar":
        options = replace(
            common, model="resnet8", batch=128, lr=asked.lr or 1e-2, val_split=0.05, epochs=asked.epochs or 120
        )
        return {"resnet8": [replace(options, out=work / f"{s}", seed=s) for s in seeds]}
    runs = []
    for seed in seeds:
        folder = work / f"cells{seed}"
        _write_cells(folder, seed)
        soft = folder / "soft.csv"
        runs.append(
            replace(
                common,
                preset=asked.preset,
                data=folder / "cells",
                out=work / f"run{seed}",
                seed=seed,
                augment="symmetric",
                soft_labels=soft,
            )
        )
    return {"elpv": runs}


def _write_cells(folder: Path, seed: int) -> None:
    """Solar cells in train and val, 75 to 25, stratified by the experts' defect probability and by the cell's type."""
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("elpv-dataset is not installed: pip install 'edgecnn[demo,train]'")
    source = Path(spec.submodule_search_locations[0], "data")
    strata: dict[tuple[float, str], list[str]] = defaultdict(list)
    for line in (source / "labels.csv").read_text().splitlines():
        name, probability, kind = line.split()
        strata[float(probability), kind].append(name)
    random = np.random.default_rng(seed)
    folder.mkdir()
    with (folder / "soft.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "probability"))
        for (probability, _), names in sorted(strata.items()):
            label = "defective" if probability > 0.5 else "functional"
            for i, k in enumerate(random.permutation(len(names))):
                place = Path("val" if i < round(0.25 * len(names)) else "train", label, Path(names[k]).name)
                (folder / "cells" / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / names[k], folder / "cells" / place)
                rows.writerow((place.as_posix(), "defective", f"{probability:.4f}"))


def _figures(result: TrainResult) -> list[str]:
    test = "" if result.test_top1 is None else f"{result.test_top1:.4f}"
    return [
        str(result.epochs),
        f"{result.val_top1:.4f}",
        test,
        f"{result.val_macro_f1:.4f}",
        f"{result.val_ece:.4f}",
        f"{result.seconds:.0f}",
    ]


if __name__ == "__main__":
    main()
