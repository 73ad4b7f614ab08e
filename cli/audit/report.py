"""`reperform audit report`: what an audit found, verified, for people, machines and files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...consensus.audit.folder import AuditFolder
from ...consensus.audit.population import draw as draw_from
from ...consensus.audit.rendering.account import Account
from ...consensus.audit.rendering.table import lines
from ...evidence.audit.draw import open_draw
from ...evidence.audit.labels import labels_of
from ...evidence.audit.report import open_report
from ...evidence.files import write_file
from ...evidence.roster import Roster
from ..log_place import LogAuthority, open_reader, read_epochs, told
from ..output import NEGATIVE_VERDICT, AsJson, tell
from ..trust import RootsFile, RosterFiles
from .options import Folder


def report(
    folder: Folder,
    roster: RosterFiles,
    roots: RootsFile,
    html: Annotated[
        Path | None, typer.Option(help="Where one page is written that shows all of it.", show_default=False)
    ] = None,
    log: Annotated[
        str | None, typer.Option(help="Draw the sample again from this log, and compare.", show_default=False)
    ] = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Verify the report of an audit, and show it: on the terminal, as JSON, or as a page for a file.

    Example: reperform audit report november/ --roster roster.dsse --roots roots.json --html november.html

    Exit status 0: the plan's assurance was reached. 1: it was not. 2: not verified.
    """
    account = _read(folder, read_epochs(roster, roots), log, log_ca)
    show(account, html, as_json)
    raise typer.Exit(0 if account.figures.reached else NEGATIVE_VERDICT)


def show(account: Account, html: Path | None, as_json: bool) -> None:
    """Print a report, and write its page. Raises FileError."""
    if html is not None:
        write_page(account, html)
    body = account.body()
    tell(as_json, body, *lines(body), *([] if html is None else [f"  page       {html}"]))


def write_page(account: Account, path: Path) -> None:
    """Write a report as one page. Raises FileError."""
    from ...consensus.audit.rendering.page import page

    write_file(path, page(account).encode())


def _read(folder: Path, rosters: list[Roster], log: str | None, log_ca: Path | None) -> Account:
    """A folder's report, verified under its draw; with a log, down to the sample."""
    here = AuditFolder(folder)
    drawn = open_draw(here.draw(), rosters)
    strata = None
    if log is not None:
        labels = labels_of(drawn, here.labels())
        strata = draw_from(open_reader(log, log_ca), drawn, rosters, labels, told).strata
    return Account.of(open_report(here.report(), drawn, strata), drawn)
