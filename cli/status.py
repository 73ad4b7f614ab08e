"""`reperform docket status`: what stands on a docket, as anybody who reads it can count for themselves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..consensus.docket import Docket
from ..consensus.proceeding import Phase, collect, phase
from ..evidence.digest import Digest
from ..evidence.dsse import Signed
from ..evidence.errors import ReperformError
from ..evidence.files import FileError
from ..evidence.roster import Roster, open_rosters
from .output import AsJson, tell
from .place import DocketAuthority, DocketPlace, Place, open_docket
from .trust import RootsFile, now, read_roots, read_rosters

INVALID = "invalid"


def status(
    docket: DocketPlace,
    roots: RootsFile,
    roster: Annotated[
        list[Path] | None, typer.Option(help="The signed roster; needed only where the docket is a folder.")
    ] = None,
    docket_ca: DocketAuthority = None,
    as_json: AsJson = False,
) -> None:
    """How many cases a docket has in each phase, and under which epoch of the roster it is kept.

    Example: reperform docket status --docket https://docket.example --roots roots.json
    """
    place = open_docket(docket, docket_ca)
    rosters = [signed.document for signed in _rosters(place, roster or [], roots)]
    found = Counter(_phase(place.docket, filing, rosters) for filing in _filings(place.docket))
    phases = {name: found[name] for name in (*Phase, INVALID)}
    epoch, name = rosters[-1].epoch, rosters[-1].name
    tell(
        as_json,
        {"docket": docket, "store": place.store, "roster": name, "epoch": epoch, "phases": phases},
        f"{docket} ({place.store}), epoch {epoch} of roster {name!r}",
        *(f"  {phase:10} {count}" for phase, count in phases.items()),
    )


def _rosters(place: Place, files: list[Path], roots: Path) -> tuple[Signed[Roster], ...]:
    """The epochs in these files, or those that the docket shows; the root keys vouch for either."""
    if files:
        return read_rosters(files, roots)
    if place.rosters is None:
        raise FileError("a folder holds no roster", advice="give it with --roster")
    return open_rosters(place.rosters(), read_roots(roots))


def _filings(docket: Docket) -> list[Digest]:
    found: dict[Digest, None] = {}
    position = 0
    while True:
        changes = docket.changes(position)
        found.update(dict.fromkeys(changes.filings))
        if changes.position == position:
            return list(found)
        position = changes.position


def _phase(docket: Docket, filing: Digest, rosters: list[Roster]) -> str:
    try:
        return phase(collect(docket, filing, rosters), now())
    except ReperformError:
        return INVALID
