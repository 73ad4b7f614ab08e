"""A connection to Ray, on this machine or through its client, in which no call waits for ever.

Ray's own answer to a head that is gone is to wait for it, and after a minute to end the process that waits. So every
call has a limit here, and the head is asked now and then whether it is there.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from typing import Any, Final, TypeVar

import grpc
import ray
from ray._private import worker as ray_worker
from ray.exceptions import RayError

from .errors import PoolError

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER: Final = 20.0  # seconds for the head to answer
CONNECT: Final = 120.0  # seconds to connect; Ray's client tries for one minute
CONNECTS: Final = 3
STARTS: Final = 2
ESSENTIAL: Final = ("gcs_server", "raylet")
# What Ray and its client raise where the cluster is not, or no longer; ValueError is grpc's for a closed channel.
_GONE: Final = (OSError, RuntimeError, ValueError, RayError, grpc.RpcError)
_GOES_ON: Final = "see that the cluster runs, and give the command again: what was settled is kept"


def bounded(call: Callable[[], T], limit: float = ANSWER) -> T:
    """What `call` gives, within `limit` seconds. Raises PoolError if it does not come back, or Ray is not there."""
    try:
        return _in_time(call, limit)
    except TimeoutError as error:
        raise PoolError(f"the Ray cluster has not answered for {limit:.0f} seconds", advice=_GOES_ON) from error
    except _GONE as error:
        raise PoolError(f"the connection to the Ray cluster is lost: {_line(error)}", advice=_GOES_ON) from error


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[None]:
    """Ray, at `ray://HOST:PORT`, or started for this process alone. Raises PoolError."""
    if ray.is_initialized():
        raise PoolError("this process is connected to Ray already", advice="a process has one pool at a time")
    try:
        try:
            if address is None:
                _start(workers)
            else:
                _in_time(partial(_connect, address), CONNECT)
        except Exception as error:  # Ray raises Exception itself for a node that does not start
            cause = f"no pool at {address or 'this machine'}: {_line(error)}"
            advice = "see that the cluster runs, and that RAY_AUTH_TOKEN_PATH has its token"
            raise PoolError(cause, advice=advice) from error
        yield
    finally:
        with suppress(PoolError):  # where there is nothing to shut down either: Ray remembers that it was to connect
            bounded(ray.shutdown)


def _in_time(call: Callable[[], T], limit: float) -> T:
    """What `call` gives, or raises. Raises TimeoutError; then it goes on in a thread that nobody waits for."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001  # it is raised below, in the thread that asked
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer.result(limit)


def _start(workers: int | None) -> None:
    """Ray's processes on this machine, which end with the thread that started them; Ray waits for them within limits.

    A workstation may have a RAY_ADDRESS; this pool is its own.
    """
    for attempt in range(1, STARTS + 1):
        try:
            ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
        except Exception as error:
            # A head that is slow to come up is given up by Ray; as with a client, nothing has run yet.
            if attempt == STARTS:
                raise
            log.warning("Ray did not start on this machine: %s; starting it again", _line(error))
            bounded(ray.shutdown)
        else:
            return


def _connect(address: str) -> None:
    for attempt in range(1, CONNECTS + 1):
        try:
            with warnings.catch_warnings(action="ignore"):  # what they say comes as an error too
                ray.init(address, log_to_driver=False, configure_logging=False)
        except ConnectionAbortedError:
            # The head forks a server for each client, beside its own threads, and at times that is dead at birth.
            # Nothing has run yet, so asking again hides nothing.
            if attempt == CONNECTS:
                raise
        else:
            return


def check_own_processes() -> None:
    """Raises PoolError if Ray's processes that this one started have ended.

    The head may be one of them, or does not notice for half a minute; then Ray ends this process without a word.
    """
    node = ray_worker._global_node
    ended: list[str] = [] if node is None else [name for name, _ in node.dead_processes() if name in ESSENTIAL]
    if ended:
        raise PoolError(f"Ray's process {ended[0]} on this machine has ended", advice=_GOES_ON)


def processors(resource: str | None) -> int:
    """The processors of the machines that are there, and have the resource. Raises PoolError if there are none."""
    nodes: Sequence[dict[str, Any]] = bounded(ray.nodes)
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    count = sum(int(has.get("CPU", 0)) for has in alive if resource is None or resource in has)
    if not count:
        what = "processors" if resource is None else f"processors and the resource {resource!r}"
        raise PoolError(f"no machine of the Ray cluster that is alive has {what}", advice=_GOES_ON)
    return count


def _line(error: BaseException) -> str:
    return f"{' '.join(str(error).split()) or type(error).__name__:.200}"
