"""Where a docket is: a folder, or an http(s) address. One option for every command that uses one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..consensus.docket import Docket
from ..consensus.folder import FolderDocket
from ..evidence.dsse import Envelope
from ..evidence.files import read_document

DocketPlace = Annotated[
    str, typer.Option("--docket", help="The docket: a folder, or https://HOST.", show_default=False)
]
DocketAuthority = Annotated[
    Path | None, typer.Option("--docket-ca", help="CA certificates (PEM) for an https docket, if not the system's.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """A docket, and what only one that is reached over HTTP can do.

    `wait` waits (seconds at most) for news; `rosters` are the epochs that the docket shows.
    """

    store: str
    docket: Docket
    wait: Callable[[float], None] | None = None
    rosters: Callable[[], Sequence[Envelope]] | None = None


def open_docket(place: str, authority: Path | None) -> Place:
    """The docket at a place. Raises DocketError."""
    if not place.startswith(("http://", "https://")):
        return Place("folder", FolderDocket(Path(place)))
    from ..consensus.client import HttpDocket

    docket = HttpDocket(place, authority)
    return Place("service", docket, docket.wait, docket.rosters)


def shown_rosters(place: Place, files: Sequence[Path]) -> Sequence[Envelope]:
    """The epochs of the roster that were handed over, or those that the docket shows, if it shows more."""
    handed = [read_document(path, Envelope) for path in files]
    shown = [] if place.rosters is None else place.rosters()
    return max(handed, shown, key=len)
