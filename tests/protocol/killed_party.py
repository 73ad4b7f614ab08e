"""One step of one party in a process of its own, killed at what it writes to disk.

    python killed_party.py ROLE FOLDER NAME NOW before|after|never

ROLE is node, keeper or filer; FOLDER is what test_crashes.py has laid out. With `before`, the process kills
itself when the first file would get its name, or the first row would be written; with `after`, when that is done.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.folder import FolderDocket
from reperform.consensus.keeper import Keeper, Patience
from reperform.consensus.proceeding import collect
from reperform.evidence.documents import from_bytes
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Roster
from reperform.replayer.database import Database
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.tests.world import honest


def die_at_write(after: bool) -> None:
    """Arrange for this process to be killed at its first durable write, like a machine that loses power."""

    def deadly(write: Callable[..., Any]) -> Callable[..., Any]:
        def killed(*arguments: Any) -> Any:
            if after:
                write(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("still alive")

        return killed

    Path.replace = deadly(Path.replace)  # type: ignore[method-assign]
    Database.write = deadly(Database.write)  # type: ignore[method-assign]


def main(role: str, folder: Path, name: str, now: int, when: str) -> None:
    """Read everything from disk, as after a restart, and make one step."""
    docket = FolderDocket(folder / "docket")
    keys = KeyRing.read(folder / f"{name}.key")
    roster = from_bytes(Roster, (folder / "roster").read_bytes())
    if when != "never":
        die_at_write(when == "after")
    if role == "node":
        refused = Node(docket, keys, [roster], Notebook(folder / name), honest).step(now)
    elif role == "keeper":
        refused = Keeper(docket, keys, [roster], Patience(*[1000] * 5)).step(now)
    else:
        filed = from_bytes(FiledDecision, (folder / "filed").read_bytes())
        filer = Filer(docket, keys, filed)
        filer.file()
        filer.step(collect(docket, filed.filing_id, [roster]))
        refused = ()
    print(refused)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
