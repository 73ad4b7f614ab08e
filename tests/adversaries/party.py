"""A node of some character, as a process: `python -m reperform.tests.adversaries.party FOLDER NAME URL CHARACTER`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reperform.cli.rounds import keep_going, start_log
from reperform.consensus.client import HttpDocket
from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Roster
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.replayer.replay import Replay
from reperform.tests.protocol.adversaries import Copycat, NeverReveals, TwoBallots, TwoVotes, YesterdaysVotes, guess
from reperform.tests.world import honest

CHARACTERS: Final[Mapping[str, tuple[type[Node], Replay]]] = {
    "honest": (Node, honest),
    "copycat": (Copycat, honest),
    "guesser": (Node, guess),
    "two votes": (TwoVotes, honest),
    "two ballots": (TwoBallots, honest),
    "never reveals": (NeverReveals, honest),
    "yesterday": (YesterdaysVotes, honest),
}


def main(folder: Path, name: str, url: str, character: str) -> None:
    """Run a node until it is told to stop."""
    start_log(False)
    kind, replay = CHARACTERS[character]
    roster = from_bytes(Envelope, (folder / "roster.dsse").read_bytes()).parse(Roster)
    docket = HttpDocket(url)
    notebook = Notebook(folder / f"{name}, {character}")
    node = kind(docket, KeyRing.read(folder / f"{name}.key"), [roster], notebook, replay)
    keep_going(node.step, 0.1, docket.wait)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
