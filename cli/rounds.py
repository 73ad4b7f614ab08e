"""Long-running parties: one round after another until they are asked to stop."""

from __future__ import annotations

import fcntl
import json
import logging
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from ..evidence.digest import Digest
from ..evidence.errors import ReperformError
from ..evidence.files import FileError
from .output import plain
from .trust import now

Interval = Annotated[float, typer.Option(min=0.01, max=3600, help="Seconds between two looks at the docket.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Log one JSON object a line, for machines.")]

log = logging.getLogger(__name__)

# How many causes are remembered so as not to be told in every round; strangers can make up new ones.
TOLD: Final = 1024

# Seconds. What is due by time alone is done so much later at most, and whoever stops a party waits so long.
LONGEST_WAIT: Final = 2.0


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"time": now(), "level": record.levelname.lower(), "event": record.getMessage()})


def start_log(as_json: bool) -> None:
    """Log to stderr, for people or for machines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell every request


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file for as long as the block runs: two processes with one key would contradict each other."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileError(f"{path.parent} is in use by another process", advice="stop it first") from error
        yield


def keep_going(
    step: Callable[[int], tuple[tuple[Digest, str], ...]], interval: float, wait: Callable[[float], None] | None = None
) -> None:
    """Call `step` with the time until SIGTERM or SIGINT; a round that has begun is finished.

    A docket that can tell when there is news is waited for besides, with `wait`.
    What a round could not take up is logged once per filing and cause, not once per round.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("running")
    told: deque[tuple[Digest, str]] = deque(maxlen=TOLD)
    while not stop.is_set():
        try:
            news = [item for item in step(now()) if item not in told]
            if wait is not None:
                wait(LONGEST_WAIT)
        except ReperformError as error:
            log.warning("%s", error)  # the docket may be back in the next round
            news = []
        for filing, cause in news:
            told.append((filing, cause))
            log.warning("filing %s: %s", filing.short(), plain(cause))
        stop.wait(interval)
