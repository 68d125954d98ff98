"""``edgecnn train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from edgecnn.cli.options import Json, require_extra
from edgecnn.cli.output import examples, note, print_facts, print_json, print_table, reporting

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn train data",
    "edgecnn train data --epochs 8 --test-split 0.1 --out runs/cells",
    "edgecnn train data --model resnet8 --weights none --imgsz 64",
    "edgecnn train cats-dogs --preset classic",
    "edgecnn train data --resume --out runs/cells",
    "edgecnn train --list-models",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(train)


def _list_models(asked: bool) -> None:  # noqa: FBT001  # a callback of Typer's
    if not asked:
        return
    require_extra("training")
    from edgecnn.training.models.table import model_table

    table = model_table()
    if "--json" in sys.argv:  # read before the other options are
        print_json({"models": table})
        raise typer.Exit
    rows = [
        (
            f"{row.name}\n(x - {row.normalization.zero_point}) / {row.normalization.scale:g}",
            f"{row.parameters:,}\n{row.classes} classes",
            f"{row.macs / 1e6:.1f} M\n{row.imgsz} px",
            "none"
            if row.weights_trained_on is None
            else row.weights_trained_on + ("" if row.weights_installed else "\nnot installed"),
            f"{row.published_top1:.1%}\n{row.published_on}" if row.published_top1 else "none",
        )
        for row in table
    ]
    columns = ("name", "parameters", "MACs", "weights", "published")
    print_table("built-in networks", columns, rows)
    raise typer.Exit


def train(
    data: Annotated[
        Path, typer.Argument(help="A folder of images: one folder a class, or that under train, val and test.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Network; --list-models shows them.", show_default="efficientnet_lite0")
    ] = None,
    list_models: Annotated[  # noqa: ARG001  # acts by its callback
        bool,
        typer.Option(
            "--list-models",
            help="Print the networks with what each costs, and leave.",
            is_eager=True,
            callback=_list_models,
        ),
    ] = False,
    preset: Annotated[
        str | None, typer.Option(help="Recipe: transfer, adapt, scratch, classic.", show_default="by weights")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Start from: auto (pretrained where there are any), none, or a checkpoint.")
    ] = "auto",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images.", show_default="by recipe")
    ] = None,
    imgsz: Annotated[int | None, typer.Option(help="Side of the input in pixels.", show_default="the model's")] = None,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 32,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="by recipe")] = None,
    layer_decay: Annotated[
        float | None,
        typer.Option(
            help="Discriminative learning rates: each part's, as a share of that of the next.", show_default="by recipe"
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="none, light, standard, strong, symmetric (no up or down), or tiny (32 pixels).",
            show_default="by recipe",
        ),
    ] = None,
    no_flip: Annotated[bool, typer.Option("--no-flip", help="Where left and right carry meaning.")] = False,
    balance: Annotated[
        Literal["none", "weights", "sampling"], typer.Option(help="Against classes of unequal size.")
    ] = "none",
    soft_labels: Annotated[
        Path | None, typer.Option(help="A CSV, path,label,probability: how sure the labels are.")
    ] = None,
    qat: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint to go on from as if in eight bits, where quantization harms it; needs edgecnn[qat]."
        ),
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="A larger network's checkpoint to learn from (distillation).")
    ] = None,
    val_split: Annotated[float, typer.Option(help="Share held out to validate on.")] = 0.2,
    test_split: Annotated[float, typer.Option(help="Share held out for a figure that chose nothing.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of split, weights, order and augmentation.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Threads that read images.", show_default="the cores, at most 8")
    ] = None,
    time_budget: Annotated[float | None, typer.Option(help="Minutes; epochs are planned to end in time.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="End after so many epochs without a better one.", show_default="no early end")
    ] = None,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Try learning rates first, and train with the one found.")
    ] = False,
    precision: Annotated[
        Literal["auto", "fp32"], typer.Option(help="auto: bfloat16 where the device computes in it.")
    ] = "auto",
    compile: Annotated[  # noqa: A002
        bool, typer.Option("--compile", help="By torch.compile: minutes to begin with, for long runs.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files for TensorBoard into the run folder.")
    ] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Run folder.", show_default="runs/train/N")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, with its own options.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in --out.")] = False,
    json: Json = False,
) -> None:
    """Train a classifier on a folder of images."""
    require_extra("training")
    from edgecnn.evaluation.metrics import wilson_interval
    from edgecnn.training import TrainOptions
    from edgecnn.training import train as run
    from edgecnn.training.optim.distributed import leads

    options = TrainOptions(
        data=data,
        out=out,
        model=model,
        preset=preset,
        weights=weights,
        epochs=epochs,
        imgsz=imgsz,
        batch=batch,
        lr=lr,
        layer_decay=layer_decay,
        augment=augment,
        flip=not no_flip,
        balance=balance,
        soft_labels=soft_labels,
        teacher=teacher,
        qat=qat,
        val_split=val_split,
        test_split=test_split,
        seed=seed,
        device=device,
        workers=workers,
        time_budget_min=time_budget,
        patience=patience,
        find_lr=find_lr,
        precision=precision,
        compile=compile,
        tensorboard=tensorboard,
        resume=resume,
        force=force,
    )
    with reporting() as reporter:
        result = run(options, reporter)
    if not leads():
        return
    if json:
        print_json(result)
        return
    low, high = wilson_interval(round(result.val_top1 * result.val_images), result.val_images)
    rows = [
        ("validation top-1", f"{result.val_top1:.4f} of {result.val_images} images (95 %: {low:.4f} to {high:.4f})"),
        ("macro-F1, ECE", f"{result.val_macro_f1:.4f}, {result.val_ece:.4f}"),
        ("test top-1", "no test split" if result.test_top1 is None else f"{result.test_top1:.4f}"),
        ("trained on", f"{result.train_images} images, {result.epochs} epochs, {result.seconds:.0f} s"),
        ("checkpoint", result.best_checkpoint),
        ("report", f"{result.run_dir}/report.html"),
    ]
    print_facts(f"{result.model}, {result.parameters:,} parameters: {', '.join(result.labels[:6])}", rows)
    note(f"next: edgecnn export {result.best_checkpoint} --out model.onnx")
