"""`reperform audit run`: an audit from its plan to its report, as far as it can be taken now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...consensus.audit.conduct import Conduct
from ...consensus.audit.folder import AuditFolder
from ..log_place import LogAuthority, LogPlace, open_reader, told
from ..output import NEGATIVE_VERDICT, AsJson
from ..place import DocketAuthority, open_docket
from ..trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters
from .draw import hexadecimal
from .examine import Machines, Openings, Panel, desk_client, examine
from .options import Folder
from .report import show

Models = Annotated[list[Path] | None, typer.Option("--model", help="A pinned model; repeat for others.")]
Pool = Annotated[str, typer.Option(help="Where decisions run again: inline, local, or ray://HOST:PORT.")]
Workers = Annotated[int | None, typer.Option(min=1, help="How many workers a pool has; one for each core.")]


def run(
    folder: Folder,
    log: LogPlace,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    desk: Annotated[str | None, typer.Option(help="The operator's desk: https://HOST.", show_default=False)] = None,
    answers: Annotated[Path | None, typer.Option(help="A folder with the operator's answers, without a desk.")] = None,
    docket: Annotated[str | None, typer.Option(help="The docket, where the panel examines.")] = None,
    model: Models = None,
    pool: Pool = "inline",
    workers: Workers = None,
    resource: Annotated[str | None, typer.Option(help="The organisation whose machines run them.")] = None,
    beacon: Annotated[str | None, typer.Option(help="The beacon's value, in hexadecimal digits.")] = None,
    html: Annotated[Path | None, typer.Option(help="Where one page is written that shows the report.")] = None,
    desk_ca: Annotated[Path | None, typer.Option(help="CA certificates (PEM) for an https desk.")] = None,
    docket_ca: DocketAuthority = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Take an audit from its plan to its report: announce, freeze, draw, examine. Run it again to go on.

    Example: reperform audit run november/ --log https://log.example --desk https://audits.bank.example
    --model models/mortgage --pool local --key auditor.key --roster roster.dsse --roots roots.json --html november.html

    Exit status 0: the plan's assurance was reached. 1: it was not. 2: refused. 3: somebody else must act first.
    """
    chain = read_rosters(roster, roots)
    rosters = [signed.document for signed in chain]
    conduct = Conduct(AuditFolder(folder), read_keys(key), rosters, open_reader(log, log_ca), now, told)
    client = None if desk is None else desk_client(desk, desk_ca)
    with conduct.folder.alone():
        drawn = conduct.draw(None if beacon is None else hexadecimal(beacon), client)
        place = None if docket is None else open_docket(docket, docket_ca).docket
        account = examine(
            conduct,
            drawn,
            Openings(client, answers),
            Machines(model or [], pool, workers, resource),
            Panel(place, [signed.envelope for signed in chain]),
        )
    show(account, html, as_json)
    raise typer.Exit(0 if account.figures.reached else NEGATIVE_VERDICT)
