"""The HTML report of `verify`, with the images whose prediction changed."""

from __future__ import annotations

from pathlib import Path

import cv2

from edgecnn.data.clips.clip_frames import first_frame
from edgecnn.errors import EdgeCNNError
from edgecnn.evaluation.html_page import image_tag, page, text
from edgecnn.evaluation.parity import Flip, Stage, VerifyResult
from edgecnn.image_size import MOST_PIXELS
from edgecnn.preprocess import Image, read_image

__all__ = ["parity_page"]

_MAX_FLIPS = 60  # shown of each form
_THUMBNAIL_PX = 160

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; overflow-wrap: anywhere; }
.verdict { font-size: 1.05rem; padding: .6rem .9rem; border-left: .3rem solid; overflow-wrap: anywhere; }
.holds { border-color: #2a7; background: #eefaf3; } .fails { border-color: #c33; background: #fdf0f0; }
.scrolls { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
.flips { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; width: 160px; break-inside: avoid; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; } .gone { width: 160px; height: 100px; background: #eee; }
"""


def parity_page(result: VerifyResult) -> str:
    """Returns the HTML of the page. Of clips, the first frame is shown.

    Images and clips that cannot be read any more are shown as grey boxes.
    """
    body = [
        f"<h1>Forms of one model on {result.images} {result.unit}</h1>",
        _verdict(result),
        f"<p>Evaluated {text(result.note)}.</p>",
        _table(result),
    ]
    body += [_flips(stage, of_clips=result.unit == "clips") for stage in result.stages if stage.flips]
    return page("EdgeCNN: verify", _STYLE, "\n".join(body))


def _verdict(result: VerifyResult) -> str:
    found = result.first_divergence
    if found is None:
        return '<p class="verdict holds">All forms pass.</p>'
    where = f" They diverge {text(found.where)}." if found.where else ""
    return f'<p class="verdict fails">{text(found.file)}: {text(found.reason)}.{where}</p>'


def _table(result: VerifyResult) -> str:
    heads = ("form", "kind", "on", "top-1", "agreement", "largest difference", "KL", "SQNR", "changed predictions")
    rows = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in _row(stage))}</tr>" for stage in result.stages)
    return f'<div class="scrolls"><table><tr>{"".join(f"<th>{h}</th>" for h in heads)}</tr>{rows}</table></div>'


def _row(stage: Stage) -> tuple[str, ...]:
    return (
        stage.file,
        stage.kind,
        stage.ep,
        "–" if stage.top1 is None else f"{stage.top1:.4f}",
        f"{stage.agreement:.2%}",
        f"{stage.max_abs_diff:.1e}",
        f"{stage.kl:.1e}",
        "equal" if stage.sqnr_db is None else f"{stage.sqnr_db:.1f} dB",
        str(len(stage.flips)),
    )


def _flips(stage: Stage, *, of_clips: bool) -> str:
    more = f"<p>… and {len(stage.flips) - _MAX_FLIPS} more.</p>" if len(stage.flips) > _MAX_FLIPS else ""
    figures = "".join(_figure(flip, of_clips=of_clips) for flip in stage.flips[:_MAX_FLIPS])
    return f'<h2>Changed predictions of {text(stage.file)}</h2><div class="flips">{figures}</div>{more}'


def _figure(flip: Flip, *, of_clips: bool) -> str:
    image = _thumbnail(Path(flip.image), of_clips=of_clips)
    shown = (
        '<div class="gone"></div>' if image is None else image_tag(image, flip.image, image.shape[1], image.shape[0])
    )
    return (
        f"<figure>{shown}<figcaption>{text(flip.from_)} → "
        f"<b>{text(flip.to)}</b><br>{text(flip.image)}</figcaption></figure>"
    )


def _thumbnail(path: Path, *, of_clips: bool) -> Image | None:
    try:
        image = first_frame(path, MOST_PIXELS) if of_clips else read_image(path, MOST_PIXELS)
    except EdgeCNNError:
        return None
    scale = _THUMBNAIL_PX / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
