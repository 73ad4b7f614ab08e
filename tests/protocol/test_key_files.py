"""A key file may hold more or less than the roster asks for; a party signs with what is asked, or does not start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import Algorithm, SigningKey
from reperform.evidence.receipt import open_receipt
from reperform.evidence.roster import RosterRefusedError, Suite
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Record
from reperform.executor.service import Executor
from reperform.tests.protocol.executors import executor_of, journal_of, vault_of
from reperform.tests.protocol.play import verified
from reperform.tests.world import DOCKET, PANEL, World


def executor(world: World) -> Executor:
    """The bank's executor, on a journal and a vault of its own."""
    return executor_of(world, journal_of(world), vault_of(world.folder))


def with_key(world: World, change: Callable[[KeyRing], SigningKey | None]) -> World:
    """The world after its parties have changed their ML-DSA-44 keys, but not the roster."""
    world.rings = {name: replace(ring, post_quantum=change(ring)) for name, ring in world.rings.items()}
    return world


def test_who_has_a_key_more_than_the_roster_asks_for_is_believed_all_the_same(world: World) -> None:
    with_key(world, lambda _: SigningKey.generate(Algorithm.ML_DSA_44))
    (decision,) = executor(world).decide([Record.of({"income": "1"})])
    open_receipt(decision.file.receipt, world.roster)
    world.keeper = world.keeper_of(DOCKET)
    proceeding, filed, _ = world.run(decision.file, world.nodes())
    assert proceeding.refused == ()
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


@pytest.mark.parametrize("party", [executor, lambda world: world.keeper_of(DOCKET), lambda world: world.node(PANEL[0])])
def test_who_lacks_a_key_that_the_roster_asks_for_does_not_start(
    tmp_path: Path, party: Callable[[World], object]
) -> None:
    world = with_key(World(tmp_path, Suite.ED25519_ML_DSA_44), lambda _: None)
    with pytest.raises(RosterRefusedError, match=r"ml-dsa-44 key .* does not hold; use the key file"):
        party(world)
