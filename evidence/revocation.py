"""What a revoked key still proves: a key is revoked from one entry of the log on.

What stands in the log before that entry was there while the key was in the right hands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .digest import Digest
from .roster import Revocation, Roster, RosterRefusedError


def revoked(rosters: Iterable[Roster]) -> Mapping[Digest, Revocation]:
    """The revoked keys, by the epochs at hand."""
    return {revocation.node: revocation for roster in rosters for revocation in roster.revoked}


def check_not_revoked(node: Digest, revoked: Mapping[Digest, Revocation], place: int | None) -> None:
    """Raises RosterRefusedError if the key is revoked, unless what it signed is about an entry before its revocation.

    `place` is the entry of the log; None for what is not proved to stand there.
    """
    if node not in revoked:
        return
    effective = revoked[node].effective
    if place is None or place >= effective:
        where = "the receipt is not proved to stand before it" if place is None else f"the receipt is entry {place}"
        raise RosterRefusedError(f"key {node.short()} is revoked from entry {effective} of the log on, and {where}")
