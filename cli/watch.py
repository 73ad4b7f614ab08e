"""Following a case: one look after another until a quorum has signed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.live import Live
from rich.text import Text

from ..consensus.conclusion import Conclusion, NoQuorumError
from ..consensus.docket import Docket
from ..consensus.proceeding import Phase, Proceeding
from ..evidence.digest import Digest
from ..evidence.errors import ReperformError
from ..evidence.roster import Roster
from .case import View
from .output import plain, progress
from .trust import now

# Seconds. How long to wait for the rest of the panel once a quorum has signed; how often to look.
GRACE: Final = 3.0
POLL: Final = 0.2


class StillOpenError(ReperformError):
    """The case goes on."""


def follow(
    docket: Docket,
    filing: Digest,
    rosters: Sequence[Roster],
    timeout: float,
    *,
    as_json: bool,
    act: Callable[[Proceeding], None] = lambda _: None,
) -> tuple[View, Conclusion]:
    """Look, `act`, and show what changed, until everybody who voted has signed. Raises StillOpenError, NoQuorumError.

    What changes is shown live to people on stderr, and to machines as one JSON object a line on stdout.
    """
    deadline, settled, told = time.monotonic() + timeout, None, ""
    with _shown(as_json) as show:
        while time.monotonic() < deadline:
            view = View.of(docket, filing, rosters, now())
            act(view.proceeding)
            if (line := json.dumps(view.body())) != told:
                told = line
                show(view)
            if view.conclusion is not None:
                settled = time.monotonic() if settled is None else settled
                if _everybody(view) or time.monotonic() > settled + GRACE:
                    return view, view.conclusion
            elif view.phase is Phase.CLOSED:
                raise NoQuorumError("the case is closed and no quorum signed", advice="file the dispute again")
            time.sleep(POLL)
    raise StillOpenError("the case is still open", advice="run the same command again to go on")


@contextmanager
def _shown(as_json: bool) -> Iterator[Callable[[View], None]]:
    if as_json:
        yield lambda view: print(json.dumps(view.body()), flush=True)
    elif not progress.is_terminal:
        yield lambda _: None  # a picture that changes is for people who watch
    else:
        with Live(console=progress, auto_refresh=False, transient=True) as live:
            yield lambda view: live.update(Text("\n".join(plain(line) for line in view.lines())), refresh=True)


def _everybody(view: View) -> bool:
    """Whether every node whose vote is listed has signed with all its keys."""
    known, conclusion = view.proceeding, view.conclusion
    voted = {signed.document.node for signed in known.listed_votes()}
    keys = sum(len(known.roster.keys_of(node)) for node in known.panel if node.node_id in voted)
    return conclusion is not None and len(conclusion.attestation.signatures) >= keys
