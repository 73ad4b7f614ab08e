"""The epochs of the roster that a node knows. None is believed for where it came from, and none is ever forgotten:
a docket that shows an older epoch than the newest one verified here cannot take a node back to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence.documents import from_bytes, to_bytes
from ..evidence.dsse import Envelope, Signed
from ..evidence.roots import RootKeys
from ..evidence.roster import Roster, RosterRefusedError, open_rosters
from .database import Database


class Epochs:
    """The chain of epochs in a node's database, verified from root keys whenever it is read."""

    def __init__(self, database: Database, roots: RootKeys) -> None:
        self._database = database
        self._roots = roots

    def known(self) -> tuple[Signed[Roster], ...]:
        """Every epoch that was learnt; empty before the first. Raises a ReperformError if the root keys changed."""
        rows = self._database.rows("SELECT envelope FROM epochs ORDER BY epoch")
        return open_rosters([from_bytes(Envelope, data) for (data,) in rows], self._roots) if rows else ()

    def learn(self, shown: Sequence[Envelope]) -> tuple[Signed[Roster], ...]:
        """Verify the epochs that somebody shows, from the first, and keep what is new. All epochs known then.

        Raises a ReperformError for what does not verify, is older than what is known, or contradicts it.
        """
        chain, known = open_rosters(shown, self._roots), self.known()
        for ours, theirs in zip(known, chain, strict=False):
            if ours.document.roster_id != theirs.document.roster_id:
                raise RosterRefusedError(
                    f"there are two signed rosters of epoch {ours.document.epoch}; this node stays with the first",
                    advice="ask the roster's keeper at once: root keys were misused",
                )
        if len(chain) < len(known):
            raise RosterRefusedError(
                f"epoch {len(chain)} of the roster is shown, and epoch {len(known)} is known here",
                advice="the docket is kept under an old roster; tell its keeper",
            )
        new = [(signed.document.epoch, to_bytes(signed.envelope)) for signed in chain[len(known) :]]
        # If another process of this node keeps the same epoch at this moment, the first stays, here too.
        self._database.write_all("INSERT OR IGNORE INTO epochs VALUES (?, ?)", new)
        return chain
