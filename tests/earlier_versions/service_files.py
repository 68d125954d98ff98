"""What the service of a version leaves on a device: settings, its state folder, collected frames, a signed bundle."""

from __future__ import annotations

from pathlib import Path

from signing_keys import make_keys

from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.write import BundleRequest, write_bundle
from edgecnn.serving.engine.region_store import RegionStore
from edgecnn.serving.settings.reading import read_settings
from edgecnn.serving.settings.settings import RegionSettings
from edgecnn.serving.swap.stored_models import Pointer, StoredModels, sha256_of

SETTINGS = """\
host = "127.0.0.1"
port = 0
allowed_hosts = ["line-3.local"]
device = "line-3"
state_dir = "state"
max_state_age_s = 5.0

[[models]]
name = "parts"
file = "model.onnx"
ep = "cpu"
threads = 1
threshold = 0.6

[[sources]]
name = "belt"
address = "fake:64x64@20"
models = ["parts"]
health = "health.json"
smoothing = "smoothing.json"
every = 2

[[sources.regions]]
name = "left"
roi = "0,0,0.5,1"

[limits]
body_mb = 16.0
model_mb = 64.0
megapixels = 8.0
connections = 50
request_s = 5.0
silent_s = 5.0

[swap]
mode = "confirm"
shadow_frames = 4
min_agreement = 0.9
watch = "incoming"
watch_s = 1.0

[collect]
dir = "collected"
when = ["uncertain", "changed"]
uncertain_below = 0.7
max_mb = 100.0
max_age_days = 7.0
min_interval_s = 5.0

[teach]
max_drop = 0.02
nice = 10

[mqtt]
url = "mqtt://127.0.0.1:1"
username = "line-3"
base_topic = "factory"
discovery = true
discovery_prefix = "homeassistant"

[[webhooks]]
url = "http://127.0.0.1:1/decisions"
retries = 2
timeout_s = 1.0
sources = ["belt"]
"""
DRAWN = RegionSettings(name="middle", roi="0.25,0.25,0.5,0.5")


def write_service_files(out: Path) -> None:
    """Settings with every table; a state folder with a model that was swapped in and a region that was drawn."""
    (out / "edgecnn.toml").write_text(SETTINGS)
    source = read_settings(out / "edgecnn.toml", {}).sources[0]
    state = out / "state"
    state.mkdir()
    RegionStore(state).draw(source, (DRAWN,))
    stored, swapped = StoredModels(state, "parts"), sha256_of(out / "model.int8.onnx")
    stored.take_in(out / "model.int8.onnx", swapped, move=False)
    stored.point(Pointer(swapped, None, sha256_of(out / "model.onnx")))
    stored.file(swapped).unlink()  # the same bytes as beside it; whoever reads the folder puts them back
    write_signed_bundle(out)
    (out / "model.int8.onnx").unlink()  # it is in the bundle


def write_signed_bundle(out: Path) -> None:
    """The private key goes away: nobody can sign such a bundle again."""
    keys = make_keys(out, "bundle-key")
    request = BundleRequest(
        model=out / "model.int8.onnx", out=out / "bundle", target=Target("linux-aarch64"), sign=keys.private, version=7
    )
    write_bundle(request)
    keys.private.unlink()
