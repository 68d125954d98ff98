"""``edgecnn teach``: fits the classifier of a model file again on labelled images, and writes it where it is better."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn._version import __version__
from edgecnn.atomic import check_apart, check_writable
from edgecnn.data.image_folder import find_images
from edgecnn.data.left_out import left_out_by_reason
from edgecnn.data.split_record import SplitRecord, data_sha256
from edgecnn.errors import ManifestError, ModelError
from edgecnn.evaluation.metrics import wilson_interval
from edgecnn.features.class_statistics import ClassStatistics, class_statistics, merged
from edgecnn.features.linear_head import LinearHead, log_softmax
from edgecnn.manifest import Manifest, TaughtRecord
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.session.known_classes import read_class_statistics
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.why.similar_images import read_taught_images
from edgecnn.teaching.head.fitting import FittedHead, fit_plan
from edgecnn.teaching.head.head_graph import NewHead, check_head, read_head
from edgecnn.teaching.head.taught_file import TaughtModel, write_taught
from edgecnn.teaching.labelled_images import LabelledImages, read_labelled_images
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.plan import TeachingPlan, plan_adding, plan_replacing
from edgecnn.teaching.remembered_images import taught_images
from edgecnn.teaching.result import TaughtClass, TeachResult
from edgecnn.teaching.unlabelled_images import UnlabelledImage, embed_images, find_unlabelled, rank_images
from edgecnn.teaching.validation.forecast import forecast
from edgecnn.teaching.validation.gate import Evidence, gate

__all__ = ["embedding_width", "teach"]


def teach(
    model: str | Path,
    data: str | Path,
    out: str | Path,
    options: TeachOptions | None = None,
    reporter: Reporter | None = None,
    *,
    wanted: Callable[[Path], bool] | None = None,
    unlabelled: Sequence[UnlabelledImage] = (),
) -> TeachResult:
    """Teaches a model file the images of a folder. Needs neither torch nor onnx.

    The network stays as it is: its features of each image are computed once, and a regularised linear classifier is
    fitted on them. The new file is written only if cross-validation shows that it is better.

    Args:
        model: the ``.onnx`` file, float or int8, with an output ``embedding``.
        data: folder of images, one folder a class. Classes that the model does not have are added.
        out: the file to write.
        options: teaching options.
        reporter: receives stages and progress.
        wanted: whether an image of ``data`` is used; None: all are.
        unlabelled: images to rank for labelling, with those of ``options.unlabelled``.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the model file cannot be used, or does not remember its classes.
        DataError: the images cannot be used.
        UsageError: an option has an invalid value.
        OutputError: the file cannot be written, or is the model itself or one of the images.
    """
    start = time.perf_counter()
    options, reporter, out = options or TeachOptions(), reporter or Silent(), Path(out)
    check_apart(out, Path(model))
    check_writable(out)
    file = read_model_file(model)
    session = open_session(file, "cpu", options.threads)
    width = embedding_width(session)
    known_images = None if options.replace else read_taught_images(session.description, width)
    to_rank = (*unlabelled, *(() if options.unlabelled is None else find_unlabelled(options.unlabelled)))
    images = read_labelled_images(
        Path(data),
        session,
        options.max_pixels,
        options.group,
        reporter,
        thumbnails=options.thumbnails,
        workers=options.threads,
        wanted=wanted,
    )
    check_apart(out, *find_images(Path(data)), *(image.path for image in to_rank))
    plan = (
        plan_replacing(Path(data), images.class_names, session.manifest, width)
        if options.replace
        else plan_adding(images.class_names, session.manifest, _known_head(file, images))
    )
    statistics = None if options.replace else _statistics(session, plan)
    fitted = fit_plan(plan, images, statistics, options, reporter)
    evidence = _evidence(plan, images, fitted, options)
    passed, reason = gate(evidence)
    result = _result(plan, images, fitted, evidence, reason)
    if to_rank:
        unseen = embed_images(to_rank, session, options.max_pixels, options.threads, reporter)
        result = replace(result, skipped=(*images.skipped, *unseen.skipped))
        if unseen.images:
            likely = np.exp(log_softmax(fitted.head.logits(unseen.features) / fitted.temperature))
            ranked = rank_images(unseen, likely, plan.labels, images.features, options.label_next)
            result = replace(result, label_next=ranked)
    if passed:
        reporter.stage("writing")(0, 1)
        manifest = _manifest(session.manifest, file, plan, images, fitted, result)
        record = (session.split_record or SplitRecord.of({})).with_trained(images.digests)
        new = NewHead(fitted.head, fitted.temperature, fitted.unknown.subspace)
        remembered = _remembered(plan, images, fitted, statistics)
        shown = taught_images(plan, images, known_images)
        written = write_taught(TaughtModel(file, new, manifest, record, remembered, shown), out)
        result = replace(result, file=str(out), sha256=written.sha256, decision="taught")
    return replace(result, seconds=time.perf_counter() - start)


def embedding_width(session: ModelSession) -> int:
    """Number of features. Raises :class:`ModelError` for a model that cannot be taught."""
    if session.form != "image":
        raise ModelError(
            f"{session.path}: is a recurrent model, whose classifier depends on a state; teach a model of single images"
        )
    declared = session.output_widths.get("embedding")
    found = session.outputs(np.zeros((2, *session.input_shape), np.uint8)).embedding
    computed = found is not None and found.ndim == 2 and len(found) == 2 and found.dtype == np.float32
    if found is None or not computed or declared not in {-1, found.shape[1]}:
        raise ModelError(
            f"{session.path}: has no output 'embedding' with one row of float32 features per image, which teaching "
            "needs; give a file that `edgecnn export` wrote of a network with a linear classifier"
        )
    return int(found.shape[1])


def _known_head(file: ModelFile, images: LabelledImages) -> LinearHead:
    """The classifier of the model as it is. Raises :class:`ModelError` where it is not a linear one."""
    head = read_head(file, images.features.shape[1])
    check_head(file, head, images.features, images.probabilities)
    return head


def _statistics(session: ModelSession, plan: TeachingPlan) -> ClassStatistics | None:
    """Of the classes that the model knows. Raises :class:`ModelError` where they are needed and not there."""
    found = read_class_statistics(session)
    if found is not None and found.means.shape[1] != plan.start.weight.shape[1]:
        raise ManifestError(
            f"{session.path}: the statistics of the classes do not fit the model; export the model again"
        )
    if found is None and plan.absent:
        labels = session.manifest.labels
        raise ModelError(
            f"{session.path}: does not remember what its {len(labels)} classes look like, so images of "
            f"'{labels[plan.absent[0]]}'{' and others' if len(plan.absent) > 1 else ''} are needed too; add them, "
            "export the model again with this version, or replace its classes with --replace"
        )
    return found


def _evidence(plan: TeachingPlan, images: LabelledImages, fitted: FittedHead, options: TeachOptions) -> Evidence:
    answers = images.probabilities.argmax(1)
    known = np.array([plan.known_places.get(name, -1) for name in images.names])
    counts = Counter(images.names)
    return Evidence(
        hits=fitted.logits.argmax(1) == fitted.truth,
        # The model as it is can only be wrong on a class that it does not have
        hits_before=None if options.replace and not plan.known_places else answers == known,
        majority=max(counts.values()) / len(images.names),
        groups=images.groups,
        loss=fitted.loss,
        max_drop=options.max_drop,
    )


def _result(
    plan: TeachingPlan, images: LabelledImages, fitted: FittedHead, evidence: Evidence, reason: str
) -> TeachResult:
    """Of a model that is not written."""
    top1 = float(evidence.hits.mean())
    independent = len(np.unique(images.groups))
    return TeachResult(
        file=None,
        sha256=None,
        labels=plan.labels,
        added=plan.added,
        images=len(images.names),
        cv_top1=top1,
        cv_interval=wilson_interval(round(top1 * independent), independent),
        before_top1=None if evidence.hits_before is None else float(evidence.hits_before.mean()),
        forecast=forecast(fitted.curve, fitted.images_per_class),
        classes=_classes(plan, fitted),
        known_top1_before=None if fitted.loss is None else fitted.loss.before,
        known_top1_after=None if fitted.loss is None else fitted.loss.after,
        label_next=(),
        decision="unchanged",
        reason=reason,
        notes=(*images.notes, *_bounded(fitted), *_without_unknown(fitted)),
        skipped=images.skipped,
        left_out=left_out_by_reason(images.left_out),
        seconds=0.0,
    )


def _bounded(fitted: FittedHead) -> tuple[str, ...]:
    """What the limit of the loss on known classes costs the new ones."""
    if fitted.unbounded_top1 is None:
        return ()
    note = (
        "the new classes were held back so that the known ones keep their answers; without --max-drop, top-1 in "
        f"cross-validation would be {fitted.unbounded_top1:.4f}"
    )
    return (note,)


def _without_unknown(fitted: FittedHead) -> tuple[str, ...]:
    why = fitted.unknown.why_off
    return () if why is None else (f"the taught model never answers unknown: {why}",)


def _classes(plan: TeachingPlan, fitted: FittedHead) -> tuple[TaughtClass, ...]:
    """The class with the most errors to be expected first."""
    answers = fitted.logits.argmax(1)
    found = []
    for place in set(plan.places.values()):
        own = fitted.truth == place
        wrong = Counter(answers[own & (answers != place)].tolist()).most_common(1)
        recall = float((answers[own] == place).mean())
        confused = plan.labels[wrong[0][0]] if wrong else None
        found.append(TaughtClass(plan.labels[place], int(own.sum()), recall, confused))
    # Of classes alike in their errors, the one with fewer images gains more by one more
    return tuple(sorted(found, key=lambda c: (-(1 - c.recall + 0.5 / c.images), c.label)))


def _manifest(
    before: Manifest,
    file: ModelFile,
    plan: TeachingPlan,
    images: LabelledImages,
    fitted: FittedHead,
    result: TeachResult,
) -> Manifest:
    taught = TaughtRecord(
        from_sha256=file.sha256,
        images=result.images,
        labels=tuple(plan.labels[place] for place in sorted(set(plan.places.values()))),
        cv_top1=result.cv_top1,
        cv_interval=result.cv_interval,
    )
    named = (f"{digest} {name}" for digest, name in zip(images.digests, images.names, strict=True))
    return before.replace(
        labels=plan.labels,
        ids=plan.ids,
        temperature=fitted.temperature,
        unknown=fitted.unknown.rule,
        training=replace(before.training, data_sha256=data_sha256(named), val_top1=result.cv_top1),
        created_by=f"edgecnn {__version__}",
        taught=taught,
    )


def _remembered(
    plan: TeachingPlan, images: LabelledImages, fitted: FittedHead, before: ClassStatistics | None
) -> ClassStatistics | None:
    """Statistics of all classes of the taught model; None: of some of them there are none."""
    places = sorted(set(plan.places.values()))
    order: NDArray[np.intp] = np.searchsorted(places, fitted.truth)
    taught = class_statistics(images.features, order, len(places))
    if before is None or taught is None:
        return taught if len(places) == len(plan.labels) else None
    return merged(before, taught, places)
