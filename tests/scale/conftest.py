"""A Ray cluster of two machines, which are two raylets here, and an S3 server that runs here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgecnn.cli.cluster.predict import predict_on_cluster
from edgecnn.cli.predict_options import PredictOptions
from edgecnn.scale.cluster import _ENVIRONMENT

MISSING = [name for name in ("fsspec", "pyarrow", "ray") if find_spec(name) is None]
needs_ray = pytest.mark.skipif(bool(MISSING), reason=f"needs the extra `ray`: no {', '.join(MISSING)} here")

_MACHINE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
_QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder skips with the reason where the extra is not installed; on one test process, since starting
    a cluster takes seconds."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(needs_ray)
            item.add_marker(pytest.mark.ray)
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session", autouse=True)
def _workers_in_time() -> Iterator[None]:
    """Ray starts its workers at the lowest priority but four: on a busy machine they would get no processor for minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(scope="session")
def head() -> Iterator[Any]:
    """A cluster of one machine with a core."""
    from ray.cluster_utils import Cluster

    os.environ.update(_ENVIRONMENT)
    settings = {**_MACHINE, "include_dashboard": False, "_system_config": _QUICK}
    started = Cluster(initialize_head=True, head_node_args=settings)
    started.second = None
    yield started
    started.shutdown()


@pytest.fixture
def cluster(head: Any) -> Any:
    """Has two machines, whatever an earlier test did to the second one."""
    if head.second is None:
        head.second = head.add_node(**_MACHINE)
        head.wait_for_nodes()
    return head


@dataclass(frozen=True)
class Bucket:
    """A bucket of a server here."""

    host: str
    name: str
    store: Any  # pyarrow's

    def address(self, key: str = "", name: str | None = None) -> str:
        options = f"endpoint_override={self.host}&scheme=http&region=us-east-1"
        return f"s3://visitor:secret-word@{name or self.name}/{key}?{options}"

    def put(self, key: str, content: bytes) -> None:
        with self.store.open_output_stream(f"{self.name}/{key}") as file:
            file.write(content)


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    pytest.importorskip("moto.server", reason="needs moto's S3 server")
    from moto.server import ThreadedMotoServer
    from pyarrow import fs

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host = "{}:{}".format(*server.get_host_and_port())
    store = fs.S3FileSystem(
        access_key="visitor",
        secret_key="secret-word",
        endpoint_override=host,
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    store.create_dir("images")
    yield Bucket(host, "images", store)
    server.stop()


@pytest.fixture
def answer(tiny_model: Path, tmp_path: Path) -> Callable[..., int]:
    """``predict --engine ray`` in this process; its output folder is ``tmp_path / "out"``."""

    def run(*sources: object, model: Path = tiny_model, **options: Any) -> int:
        given = {"engine": "ray", "ep": "cpu", "out": tmp_path / "out", **options}
        return predict_on_cluster(PredictOptions(model=model, sources=tuple(map(str, sources)), **given))

    return run
