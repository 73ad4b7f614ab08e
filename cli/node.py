"""`reperform node`: run a replayer node."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from ..evidence.files import make_folder
from .place import DocketAuthority, DocketPlace, open_docket
from .rounds import Interval, JsonLines, alone, keep_going, start_log
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters

log = logging.getLogger(__name__)

app = typer.Typer(help="Run a replayer node.", no_args_is_help=True)


@app.command("run")
def run(
    docket: DocketPlace,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    model: Annotated[
        list[Path], typer.Option("--model", help="This node's own copy of a pinned model; repeat.", show_default=False)
    ],
    state: Annotated[Path, typer.Option(help="A folder for this node's notebook.", show_default=False)],
    docket_ca: DocketAuthority = None,
    interval: Interval = 0.2,
    as_json: JsonLines = False,
) -> None:
    """Replay, vote and sign until stopped. Killed and started again, it goes on where it was.

    Example: reperform node run --docket https://docket.example --key audit.key --roster roster.dsse --roots roots.json
    --model models/mortgage --state node-state/
    """
    # torch is imported when a node runs, not when somebody verifies.
    from ..executor.selftest import selftest
    from ..replayer.library import Library
    from ..replayer.node import Node
    from ..replayer.notebook import Notebook

    rosters = [signed.document for signed in read_rosters(roster, roots)]
    rosters[-1].check_time(now())
    make_folder(state, mode=0o700)
    place = open_docket(docket, docket_ca)
    node = Node(place.docket, read_keys(key), rosters, Notebook(state), Library(model).replay)
    start_log(as_json)
    report = selftest()  # before the first vote, at every start
    log.info("self-test passed: %d vectors", report.vectors)
    with alone(state / ".node"):
        keep_going(node.step, interval, place.wait)
