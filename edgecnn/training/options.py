"""The options of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from edgecnn.command_options import Argument, Option, as_field_values
from edgecnn.errors import UsageError
from edgecnn.image_size import MAX_MEGAPIXELS, ImageSize, Megapixels, read_image_size
from edgecnn.manifest import Decode, TemporalKind

__all__ = ["BestBy", "TrainOptions"]

BestBy = Literal["top1", "macro-f1", "nll"]
_SEEDS = 2**63  # torch's


@dataclass(frozen=True)
class TrainOptions:
    """Options of ``edgecnn train``, declared only here. None means the value of the recipe or the network.

    Raises :class:`UsageError` for a number of threads or a seed below 0.
    """

    data: Annotated[Path, Argument("Folder of images: one folder per class, or that under train, val and test.")]
    out: Annotated[
        Path | None, Option("Run folder.", short="-o", metavar="DIR", default="runs/train/N", repeated=False)
    ] = None
    model: Annotated[
        str | None,
        Option("Network; --list-models shows them.", default="the preset's, else efficientnet_lite0"),
    ] = None
    preset: Annotated[
        str | None,
        Option(
            "Recipe: transfer, adapt, scratch or classic.",
            default="transfer with pretrained weights, else scratch",
        ),
    ] = None
    weights: Annotated[
        str, Option("Initial weights: auto (pretrained ones if the network has them), none, or a checkpoint file.")
    ] = "auto"
    epochs: Annotated[int | None, Option("Number of epochs.", default="the recipe's")] = None
    small_epochs: Annotated[
        int | None,
        Option(
            "Train so many epochs first on smaller images, 4/7 of each side, which takes a third of the time.",
            metavar="N",
            default="0; as many as --time-budget needs",
        ),
    ] = None
    imgsz: Annotated[
        ImageSize | None,
        Option(
            "Size of the input image in pixels: one side, or HEIGHTxWIDTH.",
            metavar="N|HxW",
            default="the network's",
            parse=read_image_size,
        ),
    ] = None
    batch: Annotated[int, Option("Batch size.")] = 32
    lr: Annotated[float | None, Option("Maximum learning rate.", default="the recipe's")] = None
    layer_decay: Annotated[
        float | None,
        Option(
            "Layer-wise learning rate decay: factor from each part of the network to the one before it; 1: all "
            "parts learn at the same rate.",
            default="the recipe's",
        ),
    ] = None
    augment: Annotated[
        str | None,
        Option(
            "Data augmentation: none, light, standard, strong, symmetric (for images without an up or down), or tiny "
            "(for 32 pixels).",
            default="the recipe's",
        ),
    ] = None
    decode: Annotated[
        Decode | None,
        Option(
            "JPEG decoding, in training and on the device; scaled: large ones at 1/8, 1/4 or 1/2 of their size.",
            default="the recipe's",
        ),
    ] = None
    flip: Annotated[
        bool, Option("Never mirror images: for classes that differ by left and right.", flag="--no-flip")
    ] = True
    balance: Annotated[
        Literal["none", "weights", "sampling"],
        Option("Class-imbalance handling: weights in the loss, or sampling small classes more often."),
    ] = "none"
    soft_labels: Annotated[
        Path | None,
        Option("CSV file path,label,probability of labels that are not certain.", metavar="FILE"),
    ] = None
    qat: Annotated[
        Path | None,
        Option("Quantization-aware training from this checkpoint; needs the extra edgecnn[qat].", metavar="FILE"),
    ] = None
    teacher: Annotated[
        Path | None,
        Option("Knowledge distillation from this checkpoint of a larger network.", metavar="FILE"),
    ] = None
    prune: Annotated[
        float | None,
        Option(
            "Structured pruning: remove channels and blocks of the initial network until this share of its "
            "multiply-accumulates is left (0.5: half), then fine-tune; the network before is the teacher unless "
            "--teacher names another.",
            metavar="SHARE",
            default="no pruning",
        ),
    ] = None
    val_split: Annotated[float, Option("Fraction of the images held out for validation.")] = 0.2
    test_split: Annotated[
        float, Option("Fraction of the images held out for a final test, which nothing is chosen by.")
    ] = 0.0
    group: Annotated[
        str,
        Option(
            "Images that stay together in the split: auto (the session folders of edgecnn capture), folder (any folder "
            "in a class folder), none, FILE.csv:COLUMN, or a regular expression whose group is the session.",
            metavar="RULE",
        ),
    ] = "auto"
    temporal: Annotated[
        TemporalKind | None,
        Option("Recurrent head for clips: DATA holds a folder per class with videos or folders of frames."),
    ] = None
    supervision: Annotated[
        Literal["last", "all"], Option("With --temporal: learn the class at the last step of a clip, or at every step.")
    ] = "last"
    per_frame: Annotated[
        Path | None,
        Option(
            "With --temporal: CSV file clip,start_s,end_s,label of labelled time spans, learned at every step.",
            metavar="FILE",
        ),
    ] = None
    backbone: Annotated[
        Literal["auto", "frozen", "tuned"],
        Option("With --temporal: train the recurrent head on a frozen CNN, or both; auto: frozen if it is pretrained."),
    ] = "auto"
    steps_per_s: Annotated[
        float | None,
        Option(
            "With --temporal: steps of the recurrent network per second.",
            default="about 10: every n-th frame at the usual frame rate",
        ),
    ] = None
    fps: Annotated[float, Option("With --temporal: frame rate of folders of frames.")] = 10.0
    max_megapixels: Megapixels = MAX_MEGAPIXELS
    strict: Annotated[
        bool, Option("End with status 3 before training if the images have faults, as edgecnn doctor finds them.")
    ] = False
    seed: Annotated[int, Option("Random seed of split, initial weights, order and augmentation.")] = 0
    device: Annotated[Literal["auto", "cpu", "cuda"], Option("Device to train on.")] = "auto"
    workers: Annotated[int | None, Option("Threads that read images.", default="the number of cores, at most 8")] = None
    time_budget_min: Annotated[
        float | None,
        Option("Time limit in minutes; the number of epochs is planned to fit.", flag="--time-budget", repeated=False),
    ] = None
    best_by: Annotated[
        BestBy,
        Option(
            "Validation metric that chooses the best epoch; macro-f1 counts all classes alike, for classes of unequal "
            "size; nll: the lowest loss."
        ),
    ] = "top1"
    patience: Annotated[
        int | None,
        Option("Early stopping: end after N epochs without improvement.", metavar="N", default="no early stopping"),
    ] = None
    find_lr: Annotated[
        bool, Option("Run a learning rate range test first, and train with the rate found.", repeated=False)
    ] = False
    precision: Annotated[
        Literal["auto", "fp32"],
        Option("Number format of the computation; auto: bfloat16 where the device computes in it, else fp32."),
    ] = "auto"
    compile: Annotated[
        bool, Option("Compile the network with torch.compile: takes minutes, pays off in long runs.")
    ] = False
    tensorboard: Annotated[bool, Option("Write TensorBoard event files into the run folder.", repeated=False)] = False
    resume: Annotated[
        bool,
        Option(
            "Continue the run in --out with the options it was started with; --epochs, --patience, --time-budget, "
            "--device, --workers, --compile, --tensorboard and --strict may change.",
            repeated=False,
        ),
    ] = False
    force: Annotated[bool, Option("Replace the run in --out.", repeated=False)] = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"--workers {self.workers}: expected at least 1 thread")
        if not 0 <= self.seed < _SEEDS:
            raise UsageError(f"--seed {self.seed}: expected 0 to {_SEEDS - 1:,}")

    @staticmethod
    def from_record(record: Mapping[str, Any], **changes: Any) -> TrainOptions:
        """Returns the options recorded in a checkpoint, with changes."""
        known = {"decode": "full", **record}  # as all runs decoded before there was a choice
        return TrainOptions(**as_field_values(TrainOptions, known) | changes)
