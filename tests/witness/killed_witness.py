"""A witness, killed in the middle of a request: `REPERFORM_KILLED=NUMBER:STEP`, and the command that follows.

At its NUMBER-th request it kills itself: `judged`, when it has decided and written nothing; `written`, when what it
would cosign is written and not committed; `committed`, when that is on disk and nobody was told.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from reperform.cli.main import main
from reperform.replayer.witness import witness
from reperform.replayer.witness.memory import Memory
from reperform.replayer.witness.witness import Witness

VARIABLE = "REPERFORM_KILLED"
STEPS = ("judged", "written", "committed")
_PLACES: dict[str, tuple[Any, str]] = {
    "judged": (witness, "judge"),
    "written": (Memory, "remember"),
    "committed": (Witness, "add"),
}


def die_at(number: int, step: str) -> None:
    """Arrange for the end of this process."""
    holder, name = _PLACES[step]
    real: Callable[..., object] = getattr(holder, name)
    left = iter(range(number - 1, -1, -1))

    def deadly(*arguments: object) -> object:
        done = real(*arguments)
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(holder, name, deadly)


if __name__ == "__main__":
    number, _, step = os.environ.get(VARIABLE, "").partition(":")
    if number:
        die_at(int(number), step)
    main()
