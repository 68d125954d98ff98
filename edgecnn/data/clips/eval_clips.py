"""The choice of the clips that a model is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.clips.clip_folder import ClipFile, ClipFolder, is_clip, scan_clips
from edgecnn.data.clips.clip_frames import clip_digest
from edgecnn.data.dataset import class_indices
from edgecnn.data.held_out import EvalSplit, choose_held_out
from edgecnn.data.image_folder import require_folder
from edgecnn.data.left_out import LeftOut
from edgecnn.data.split_names import class_key
from edgecnn.data.split_record import Split, SplitRecord
from edgecnn.errors import DataError
from edgecnn.manifest import Manifest

__all__ = ["EvalClips", "select_eval_clips"]


@dataclass(frozen=True)
class EvalClips:
    """The clips that a model is evaluated on, and a note that describes the choice."""

    paths: tuple[Path, ...]
    truth: tuple[int, ...] | None  # class index of each clip; None without labels
    held_out: bool  # none of them was trained on, as far as the model file records
    note: str  # one line for the user
    trained_on: tuple[Path, ...]  # clips of the folder that the model was trained on
    left_out: tuple[LeftOut, ...]  # files of the folder that are not used


def select_eval_clips(
    root: Path,
    manifest: Manifest,
    record: SplitRecord | None,
    which: EvalSplit | None = None,
    *,
    labels_needed: bool = True,
) -> EvalClips:
    """Chooses the clips of a folder on which to evaluate a model, as images are chosen
    (:func:`edgecnn.data.dataset.select_eval_images`).

    Args:
        root: one folder per class, named by label or id; or such folders under `train`, `val`, `test`.
        manifest: defines the classes.
        record: the clips that the model was trained on; None if not recorded.
        which: a split, or None for every clip that the model was not trained on.
        labels_needed: if false, clips may also lie in ``root`` itself, without labels.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: no clips, a folder that is not a class of the model, or no clip left to evaluate on.
    """
    folder = (None if labels_needed else _unlabelled(root, manifest)) or scan_clips(root)
    class_index = class_indices(_places(folder), manifest) if folder.class_names else None
    seen = [None if record is None else _split_of(clip, record) for clip in folder.clips]
    choice = choose_held_out(folder.clips, seen, which, "clips")
    if not choice.indices:
        asked = f"the split '{which}' contains no clips" if which else "the model was trained on every clip in it"
        raise DataError(f"{root}: {asked}; give other clips, or use --split all")
    chosen = [folder.clips[i] for i in choice.indices]
    return EvalClips(
        paths=tuple(clip.path for clip in chosen),
        truth=None if class_index is None else tuple(class_index[clip.class_name] for clip in chosen),
        held_out=choice.held_out,
        note=choice.note,
        trained_on=tuple(clip.path for clip, split in zip(folder.clips, seen, strict=True) if split == "train"),
        left_out=folder.left_out,
    )


def _unlabelled(root: Path, manifest: Manifest) -> ClipFolder | None:
    """The clips that lie in a folder itself, not in class folders; None where there are none."""
    entries = sorted(require_folder(root).iterdir())
    if any(class_key(path.name) in manifest.labels for path in entries if path.is_dir()):
        return None
    clips = tuple(ClipFile(path, "") for path in entries if is_clip(path))
    return ClipFolder(root, (), clips, ready_split=False) if clips else None


def _places(folder: ClipFolder) -> dict[str, Path]:
    return {clip.class_name: clip.path.parent for clip in reversed(folder.clips)}


def _split_of(clip: ClipFile, record: SplitRecord) -> Split | None:
    try:
        return record.split_of(clip_digest(clip.path))
    except OSError:  # unreadable: the evaluation reports it by name
        return None
