"""Where a receipt stands in the log: no sooner than the checkpoint that it names, and for all to see.

An operator that could enter a receipt when it is asked for it could write it then. So a receipt names the checkpoint
that its executor had seen, and its proof of inclusion (c2sp.org/tlog-proof) a later one that others have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .documents import to_bytes
from .dsse import Signed
from .encoding import MalformedError
from .receipt import Receipt
from .roster import Roster
from .tlog.proof import Proof
from .tlog.tree import check_inclusion, leaf_hash
from .witnessed import Witnessed, open_checkpoint


@dataclass(frozen=True, slots=True)
class Place:
    """Entry `index` of the log (from 0), under a checkpoint that can be relied on."""

    index: int
    witnessed: Witnessed


def open_inclusion(proof: str, receipt: Signed[Receipt], rosters: Sequence[Roster]) -> Place:
    """Verify that a receipt stands in its roster's log. Raises ReperformError.

    `rosters` are all epochs at hand: the log's keys, or a witness's, may have changed since the receipt was given.
    """
    opened = Proof.parse(proof.encode())
    since = [roster.roster_id for roster in rosters].index(receipt.document.roster)
    witnessed = open_checkpoint(opened.checkpoint, rosters[since:])
    checkpoint, seen = witnessed.checkpoint, receipt.document.checkpoint
    leaf = leaf_hash(to_bytes(receipt.envelope))
    check_inclusion(leaf, opened.index, checkpoint.size, opened.hashes, checkpoint.root.value)
    if seen is None or seen.origin != checkpoint.origin:
        raise MalformedError("the receipt names no checkpoint of the log in which it stands")
    if seen.size > opened.index:
        raise MalformedError(f"the receipt is entry {opened.index}, and names a checkpoint of {seen.size} entries")
    return Place(opened.index, witnessed)
