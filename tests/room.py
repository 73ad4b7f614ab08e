"""A command for which no file grows beyond a size, as on a full disk: `python room.py BYTES COMMAND ARGUMENT...`.

The limit is set here and not in subprocess's `preexec_fn`: that forks the process of the tests without executing, and a
process in which Ray's gRPC has threads dies of it, now and then.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path


def within(room: int | None, command: list[str]) -> list[str]:
    """The command with no file of more than `room` bytes; None: as it is."""
    return command if room is None else [sys.executable, str(Path(__file__)), str(room), *command]


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - what the tests give it
