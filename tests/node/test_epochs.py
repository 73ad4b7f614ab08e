"""Nobody takes a node back to an older roster, or to one that its root keys did not sign."""

# ruff: noqa: ARG001 -- a lie need not look at everything that it is given

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from reperform.evidence.dsse import Envelope
from reperform.evidence.errors import ReperformError
from reperform.evidence.roster import Roster
from reperform.replayer.database import Database
from reperform.replayer.epochs import Epochs
from reperform.tests.world import BANK, World


def following(before: Roster, longer: int = 0) -> Roster:
    return replace(before, epoch=before.epoch + 1, previous=before.roster_id, valid_until=before.valid_until + longer)


def signed(world: World, roster: Roster) -> Envelope:
    return Envelope.sign(roster, world.root[:2])


@pytest.fixture
def chain(world: World) -> list[Envelope]:
    """Three epochs."""
    second = following(world.roster)
    third = following(second)
    return [world.roster_envelope, signed(world, second), signed(world, third)]


def test_epochs_are_learnt_one_after_another_and_kept(world: World, chain: list[Envelope]) -> None:
    epochs = Epochs(Database(world.folder / "node"), world.roots)
    assert epochs.known() == ()
    for count in (1, 1, 3, 3):
        assert [each.document.epoch for each in epochs.learn(chain[:count])] == list(range(1, count + 1))
    again = Epochs(Database(world.folder / "node"), world.roots)
    assert [each.envelope for each in again.known()] == chain


def older(world: World, chain: list[Envelope]) -> list[Envelope]:
    return chain[:1]


def another_second(world: World, chain: list[Envelope]) -> list[Envelope]:
    return [chain[0], signed(world, following(world.roster, longer=1))]


def another_third(world: World, chain: list[Envelope]) -> list[Envelope]:
    before = chain[1].parse(Roster)
    return [*chain[:2], signed(world, following(before, longer=1))]


def by_one_root(world: World, chain: list[Envelope]) -> list[Envelope]:
    third = following(chain[1].parse(Roster))
    return [*chain[:2], Envelope.sign(third, world.root[:1])]


def by_the_bank(world: World, chain: list[Envelope]) -> list[Envelope]:
    return [Envelope.sign(world.roster, world.rings[BANK].signers)]


def without_the_first(world: World, chain: list[Envelope]) -> list[Envelope]:
    return chain[1:]


def out_of_order(world: World, chain: list[Envelope]) -> list[Envelope]:
    return [chain[0], signed(world, following(chain[1].parse(Roster)))]


def altered(world: World, chain: list[Envelope]) -> list[Envelope]:
    payload = chain[0].payload.replace(b"mortgages", b"mortgagez")
    return [replace(chain[0], payload=payload)]


def garbage(world: World, chain: list[Envelope]) -> list[Envelope]:
    return [Envelope.sign_bytes("text/plain", b"trust me", world.root[:2])]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (older, "epoch 1 of the roster is shown, and epoch 2 is known here"),
        (another_second, "two signed rosters of epoch 2; this node stays with the first; ask the roster's keeper"),
        (by_one_root, "carries 1 of 2 needed root signatures"),
        (by_the_bank, "has no say here"),
        (without_the_first, "two signed rosters|does not follow"),
        (out_of_order, "does not follow 1"),
        (altered, "signature"),
        (garbage, "payload of type"),
    ],
)
def test_a_docket_that_lies_about_the_roster_changes_nothing(
    lie: Callable[[World, list[Envelope]], list[Envelope]], why: str, world: World, chain: list[Envelope]
) -> None:
    epochs = Epochs(Database(world.folder / "node"), world.roots)
    epochs.learn(chain[:2])
    with pytest.raises(ReperformError, match=why):
        epochs.learn(lie(world, chain))
    assert [each.envelope for each in epochs.known()] == chain[:2]


def test_a_later_fork_is_seen_by_who_knows_the_other_side(world: World, chain: list[Envelope]) -> None:
    epochs = Epochs(Database(world.folder / "node"), world.roots)
    epochs.learn(chain)
    with pytest.raises(ReperformError, match="two signed rosters of epoch 3"):
        epochs.learn(another_third(world, chain))


def test_the_nodes_own_disk_is_not_believed_either(world: World, chain: list[Envelope]) -> None:
    database = Database(world.folder / "node")
    epochs = Epochs(database, world.roots)
    epochs.learn(chain)
    database.write("DELETE FROM epochs WHERE epoch = 2")
    with pytest.raises(ReperformError, match="does not follow"):
        epochs.known()
