"""Long-running parties: one round after another until they are asked to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from ..evidence.digest import Digest
from .trust import now

Interval = Annotated[float, typer.Option(min=0.01, help="Seconds between two looks at the docket.")]

log = logging.getLogger("reperform")


def keep_going(step: Callable[[int], tuple[tuple[Digest, str], ...]], interval: float) -> None:
    """Call `step` with the time until SIGTERM or SIGINT; a round that has begun is finished.

    What a round could not take up is logged once per filing and cause, not once per round.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    known: set[tuple[Digest, str]] = set()
    while not stop.is_set():
        for filing, cause in step(now()):
            if (filing, cause) not in known:
                known.add((filing, cause))
                log.warning("filing %s: %s", filing.short(), cause)
        stop.wait(interval)
