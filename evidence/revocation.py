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


def in_effect(revoked: Mapping[Digest, Revocation], entry: int | None) -> Mapping[Digest, Revocation]:
    """The keys that have no say about this entry of the log; None stands for what is not proved to be in it."""
    return {node: each for node, each in revoked.items() if entry is None or entry >= each.effective}


def check_not_revoked(node: Digest, revoked: Mapping[Digest, Revocation]) -> None:
    """Raises RosterRefusedError for a key that has no say."""
    if node in revoked:
        raise RosterRefusedError(
            f"key {node.short()} is revoked from entry {revoked[node].effective} of the log on, "
            "and the receipt is not proved to stand before it"
        )
