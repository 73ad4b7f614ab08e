"""`reperform docket`: keep a docket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..consensus.folder import FolderDocket
from ..consensus.keeper import Keeper, Patience
from ..evidence.files import make_folder
from .rounds import Interval, JsonLines, alone, keep_going, start_log
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters

app = typer.Typer(help="Keep a docket: open cases, close ballots.", no_args_is_help=True)

DocketFolder = Annotated[Path, typer.Option("--docket", help="The docket's folder.", show_default=False)]


@app.command("run")
def run(
    docket: DocketFolder,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    step: Annotated[int, typer.Option(min=1, help="Seconds that each step of a case may take.")] = 24 * 3600,
    interval: Interval = 0.2,
    as_json: JsonLines = False,
) -> None:
    """Keep a docket in a folder until stopped.

    Example: reperform docket run --docket docket/ --key docket.key --roster roster.dsse --roots roots.json
    """
    start_log(as_json)
    rosters = [signed.document for signed in read_rosters(roster, roots)]
    patience = Patience(*[step * 1000] * 5)
    rosters[-1].check_time(now())
    make_folder(docket)
    keeper = Keeper(FolderDocket(docket), read_keys(key), rosters, patience)
    with alone(docket / ".keeper"):
        keep_going(keeper.step, interval)
