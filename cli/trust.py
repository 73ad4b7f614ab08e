"""What every command that checks anything is given: root keys, and the roster that they sign."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..evidence.dsse import Envelope, Signed
from ..evidence.encoding import MalformedError
from ..evidence.files import read_document, read_file
from ..evidence.keyfile import KeyRing
from ..evidence.roots import RootKeys
from ..evidence.roster import Roster, RosterRefusedError, open_rosters

log = logging.getLogger(__name__)

RootsFile = Annotated[Path, typer.Option("--roots", help="Root keys that you trust (roots.json).", show_default=False)]
RosterFiles = Annotated[
    list[Path], typer.Option("--roster", help="The signed roster; repeat for later epochs.", show_default=False)
]
KeyFile = Annotated[Path, typer.Option("--key", help="A key file made by `reperform keys new`.", show_default=False)]


def read_roots(path: Path) -> RootKeys:
    """Root keys from their file. Raises MalformedError naming the file."""
    try:
        return RootKeys.from_json(read_file(path).decode())
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path} is not a root key file") from error
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error


def read_rosters(paths: Sequence[Path], roots: Path) -> tuple[Signed[Roster], ...]:
    """Every epoch, verified against the root keys."""
    return open_rosters([read_document(path, Envelope) for path in paths], read_roots(roots))


def warn_of_expiry(roster: Roster) -> None:
    """For who keeps cases: those of an expired roster are finished, so this is no reason not to begin."""
    try:
        roster.check_time(now())
    except RosterRefusedError as error:
        log.warning("%s; what was decided before is judged all the same", error)


def read_keys(path: Path) -> KeyRing:
    """A key file; its password, if it has one, comes from the environment."""
    password = os.environ.get("REPERFORM_KEY_PASSWORD")
    return KeyRing.read(path, None if password is None else password.encode())


def now() -> int:
    """Milliseconds since 1970, by this machine's clock."""
    return time.time_ns() // 1_000_000
