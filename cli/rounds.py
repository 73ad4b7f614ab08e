"""Long-running parties: one round after another until they are asked to stop."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from ..evidence.digest import Digest
from .trust import now

Interval = Annotated[float, typer.Option(min=0.01, help="Seconds between two looks at the docket.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Log one JSON object a line, for machines.")]

log = logging.getLogger(__name__)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"time": now(), "level": record.levelname.lower(), "event": record.getMessage()})


def start_log(as_json: bool) -> None:
    """Log to stderr, for people or for machines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def keep_going(step: Callable[[int], tuple[tuple[Digest, str], ...]], interval: float) -> None:
    """Call `step` with the time until SIGTERM or SIGINT; a round that has begun is finished.

    What a round could not take up is logged once per filing and cause, not once per round.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("running")
    known: set[tuple[Digest, str]] = set()
    while not stop.is_set():
        for filing, cause in step(now()):
            if (filing, cause) not in known:
                known.add((filing, cause))
                log.warning("filing %s: %s", filing.short(), cause)
        stop.wait(interval)
