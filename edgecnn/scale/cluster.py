"""Connects to a Ray cluster, or starts one on this machine, without Ray's web page and its usage statistics."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgecnn.errors import ClusterError, UsageError
from edgecnn.runtime.system.cpu_features import allowed_threads

__all__ = ["cluster_cores", "ray_cluster"]

_STORE_BYTES = 256 * 2**20  # of the object store on this machine: it holds the model, and shards on their way
_CONNECT_S = 5.0

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else Ray reports to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of a change to come
    "RAY_worker_register_timeout_seconds": "600",  # a machine may be busy
}


@contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """Connects, and disconnects at the end; a cluster that was started here ends.

    Args:
        address: ``HOST:PORT`` of the cluster's head, or ``auto``: the cluster that this machine is part of. None: one
            on this machine alone, with as many cores as this process may use.

    Raises:
        UsageError: the address has another form.
        ClusterError: nothing answers there, or it is of another version of Ray or Python.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address is not None and address != "auto":
        _check_reachable(address)
    import ray  # noqa: PLC0415  # after the environment; and the fork server of the tests imports this module

    by_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address is None:
            ray.init(
                "local",
                num_cpus=allowed_threads(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_STORE_BYTES,
                _node_ip_address="127.0.0.1",
            )
        else:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises that very class where one of its processes does not start in time
        ray.shutdown()
        where = "Ray on this machine" if address is None else f"--address {address}"
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ClusterError(f"{where}: cannot be used: {why}; check that the cluster runs, with this Ray") from error
    try:
        if by_main_thread:
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own there
        yield
    finally:
        ray.shutdown()


def cluster_cores() -> int:
    """Cores of the machines that are connected now."""
    import ray  # noqa: PLC0415

    return int(ray.cluster_resources().get("CPU", 0))


def _check_reachable(address: str) -> None:
    """Ray itself would end this process, after a minute, where nobody answers."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or "/" in host:
        raise UsageError(
            f"--address {address}: expected HOST:PORT of the cluster's head, as Ray prints it where it starts one"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ClusterError(
            f"--address {address}: nothing answers there: {why}; start Ray on the head, or leave --address "
            "out to use this machine"
        ) from error
