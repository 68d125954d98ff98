"""The service: its models, its sources, and what they have decided."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from edgecnn.errors import ImageError, SourceError, UsageError
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.frame_quality.view_check import ViewShift
from edgecnn.runtime.frame_quality.view_reference import shifted_reference
from edgecnn.runtime.smoothing.smoother import read_smoothing
from edgecnn.runtime.sources.address import Address, parse_address
from edgecnn.runtime.sources.capture.live_options import LiveOptions
from edgecnn.runtime.streaming.region import Region
from edgecnn.serving.accuracy.watch import AccuracyWatch
from edgecnn.serving.engine.events import Decided, Event
from edgecnn.serving.engine.hub import Hub
from edgecnn.serving.engine.latest import LatestDecisions
from edgecnn.serving.engine.opening import open_served
from edgecnn.serving.engine.region_store import RegionStore, ViewMove, views_of
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.source_runner import SourceRunner
from edgecnn.serving.engine.source_views import SourceViews
from edgecnn.serving.secret_file import read_secret_file
from edgecnn.serving.settings.settings import RegionSettings, Settings, SourceSettings

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Service", "read_address"]

_LOGGED = 200  # events that the page's log shows
_STOP_S = 2.0
_MOST_DEGREES = 1.0  # by which a camera may be turned where its regions are realigned


class Service:
    """Opens the models and runs the sources. The page, the API and the other systems read from it.

    Args:
        settings: of the service.
        folder: for what must outlive a restart.
        models: models that are open already, by name; the others are opened from the settings' files. What was
            swapped in during an earlier run is given so.

    Raises:
        EdgeCNNError: a model, a source's address or a file that the settings name cannot be used.
    """

    def __init__(self, settings: Settings, folder: Path, models: Mapping[str, LoadedModel] | None = None) -> None:
        self.settings = settings
        self.hub = Hub()
        self.latest = LatestDecisions(settings.max_state_age_s)
        self.log: deque[Event] = deque(maxlen=_LOGGED)
        """Source changes, swaps, alarms of drift and changed decisions, oldest first."""
        self.started_s = time.monotonic()
        self._regions = RegionStore(folder)
        self._drawing = threading.Lock()  # two requests at once: what is stored is what the source sees
        opened = dict(models or {})
        addresses = {source.name: read_address(source) for source in settings.sources}
        self.models = {
            model.name: ServedModel(model.name, opened.get(model.name) or self.open_model(model.name, model.file))
            for model in settings.models
        }
        """The models, by name."""
        self.accuracy = AccuracyWatch(self.models, self.hub.publish)
        """How good the models are expected to be on what they see."""
        self.sources = {source.name: self._runner(source, addresses[source.name]) for source in settings.sources}
        """The sources, by name."""
        self.hub.subscribe(self.latest.hear)
        self.hub.subscribe(self.accuracy.hear)
        self.hub.subscribe(self._note)

    def open_model(self, name: str, file: Path, *, prove: bool = False) -> LoadedModel:
        """Opens a model file. Arguments and errors are those of :func:`open_served`."""
        return open_served(self.settings, name, file, prove=prove)

    @property
    def first_model(self) -> ServedModel:
        """The model that answers where a request names none."""
        return next(iter(self.models.values()))

    @property
    def ready(self) -> bool:
        """Whether every source has given a frame and is up."""
        return all(source.status().up for source in self.sources.values())

    @property
    def silent_s(self) -> float:
        """Seconds since the slowest source's thread last showed that it runs; 0 without sources."""
        return max((source.silent_s for source in self.sources.values()), default=0.0)

    def start(self) -> None:
        """Begins to read the sources."""
        for source in self.sources.values():
            source.start()

    def stop(self) -> None:
        """Ends all sources, within two seconds even if one hangs."""
        for source in self.sources.values():
            source.request_stop()
        end_s = time.monotonic() + _STOP_S
        for source in self.sources.values():
            source.join(max(0.0, end_s - time.monotonic()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _note(self, event: Event) -> None:
        if not isinstance(event, Decided):
            self.log.append(event)
        elif event.changed:
            self.log.append(event.without_frame())

    def source_settings(self, name: str) -> SourceSettings:
        """The settings of a source."""
        return next(source for source in self.settings.sources if source.name == name)

    def regions(self, source: str) -> tuple[RegionSettings, ...]:
        """The regions of a source, as they are now."""
        return self._regions.regions(self.source_settings(source))

    def draw_regions(self, source: str, regions: Sequence[RegionSettings]) -> None:
        """Replaces the regions of a source, from its next frame on. Decisions on regions that are gone are forgotten.

        Raises:
            UsageError: a region cannot be.
            InputNotFoundError: a file that the source's settings name is gone.
            OutputError: the regions cannot be written to disk.

        After any error the old regions stay.
        """
        settings = self.source_settings(source)
        with self._drawing:
            views = self._views(settings, regions)
            self._regions.draw(settings, regions)
            self.sources[source].see(views)

    def realign(self, source: str) -> ViewShift:
        """Accepts where a camera looks now: its regions and its references follow the shift that was measured.

        Raises:
            UsageError: no shift was measured, the camera was turned, or a region would leave the frame.
            OutputError: the regions cannot be written to disk. The old ones stay.
        """
        settings = self.source_settings(source)
        with self._drawing:
            return self._realigned(settings)

    def _realigned(self, source: SourceSettings) -> ViewShift:
        runner = self.sources[source.name]
        status = runner.status()
        shift, width, height = status.view_shift, status.width, status.height
        if shift is None or width is None or height is None:
            raise UsageError(
                f"source '{source.name}': no shift was measured; give it `health` with a reference of the view, and "
                "check that the camera still shows it"
            )
        if abs(shift.angle_degrees) >= _MOST_DEGREES:
            raise UsageError(
                f"source '{source.name}': the camera was turned by {shift.angle_degrees:.1f} degrees, and regions "
                "cannot be turned; draw them again, and learn the view with `edgecnn health`"
            )
        regions = [_moved(region, shift, height, width) for region in self._regions.regions(source)]
        move = ViewMove(shift.dx_px / width, shift.dy_px / height)
        self._regions.realign(source, regions, _health(source).references, move)
        runner.see(self._views(source, regions))
        return shift

    def _views(self, source: SourceSettings, regions: Sequence[RegionSettings]) -> SourceViews:
        models = [self.models[name] for name in source.models or tuple(self.models)]
        health = _health(source)
        move = self._regions.move(source, health.references)
        if move.dx_share or move.dy_share:
            moved = (shifted_reference(text, move.dx_share, move.dy_share) for text in health.references)
            health = health.with_references(*moved)
        smoothing = None if source.smoothing is None else read_smoothing(source.smoothing)
        return SourceViews(views_of(source.name, regions), models, health, smoothing)

    def _runner(self, source: SourceSettings, address: Address) -> SourceRunner:
        options = LiveOptions(
            every=source.every,
            interval_s=source.interval_s,
            max_pixels=round(self.settings.limits.megapixels * 1e6),
        )
        views = self._views(source, self._regions.regions(source))
        return SourceRunner(source.name, address, options, views, self.hub)


def _health(source: SourceSettings) -> FrameQualityThresholds:
    return FrameQualityThresholds() if source.health is None else FrameQualityThresholds.load(source.health)


def _moved(region: RegionSettings, shift: ViewShift, height: int, width: int) -> RegionSettings:
    """Raises :class:`UsageError` where the region would leave the frame."""
    try:
        roi = str(Region.parse(region.roi).shifted(shift.dx_px, shift.dy_px, height, width))
    except ImageError as error:
        raise UsageError(str(error)) from None
    return RegionSettings(name=region.name, roi=roi)


def read_address(source: SourceSettings) -> Address:
    """The address of a source's settings, from its file where it has one.

    Raises:
        InputNotFoundError: that file cannot be read.
        SourceError: it is not the address of a camera or a stream.
    """
    text = source.address
    if source.address_file is not None:
        what, remedy = f"the address of source '{source.name}'", "write it there, readable for the service alone"
        text = read_secret_file(source.address_file, what, remedy).strip()
    address = parse_address(text)
    if not address.live:
        shown = PurePath(address.name).name or "its address"
        raise SourceError(
            f"source '{source.name}': {shown} is no camera or stream; "
            "the service watches 0, /dev/videoN, csi:, rtsp://, http(s)://, loop:FOLDER or fake:"
        )
    return address
