"""The docket's service, killed in the middle of what it writes: `REPERFORM_KILLED=NUMBER:before|after`.

It runs the command that follows, and at its NUMBER-th transaction with new documents kills itself: with `before`, when
the rows are written and not committed; with `after`, when they are committed and nobody was told.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from reperform.cli.main import main
from reperform.consensus.store import ledger
from reperform.consensus.store.engine import writing
from sqlalchemy import Connection, Engine

VARIABLE = "REPERFORM_KILLED"


def die_at(number: int, when: str) -> None:
    """Arrange for the end of this process."""
    left = iter(range(number - 1, -1, -1))

    @contextmanager
    def deadly(engine: Engine) -> Iterator[Connection]:
        last = next(left) == 0
        with writing(engine) as connection:
            yield connection
            if last and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    vars(ledger)["writing"] = deadly


if __name__ == "__main__":
    number, _, when = os.environ.get(VARIABLE, "").partition(":")
    if number:
        die_at(int(number), when)
    main()
