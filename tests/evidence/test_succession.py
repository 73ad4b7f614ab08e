"""The next epoch: what a draft can change, and that nothing else in it can be different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.enrolment import Enrolment
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.roots import RootKeys
from reperform.evidence.roster import (
    Log,
    Node,
    Organisation,
    OrganisationRole,
    Revocation,
    Roster,
    RosterRefusedError,
    open_rosters,
)
from reperform.evidence.succession import Change, Draft, Kind, changes, join
from reperform.tests.evidence.scene import BANK, START, Scene, ring, signing_key

SCENE = Scene(quorum=3)  # so that the panel can grow to five
FIRST = SCENE.roster
LATER = START + 10**6
REPLAYER = OrganisationRole.REPLAYER
DRAFT = Draft.after(FIRST, LATER)


def classical(name: str) -> KeyRing:
    return replace(ring(name), post_quantum=None)


def asks(
    name: str,
    keys: KeyRing | None = None,
    role: OrganisationRole = REPLAYER,
    node: str = "",
    replacing: KeyRing | None = None,
) -> Envelope:
    own = classical(name) if keys is None else keys
    return Enrolment.of(own, organisation=name, role=role, node=node or name, replacing=replacing)


def kinds(draft: Draft, before: Roster = FIRST) -> list[Kind]:
    return [change.kind for change in changes(draft, before)]


def chain(draft: Draft, holders: int = 2) -> tuple[Envelope, ...]:
    """The first epoch and this one, signed by so many root holders, each on its own."""
    parts = [Envelope.sign(draft.roster, FIRST.roots.signers(classical(f"root {i}"))) for i in range(holders)]
    return Envelope.sign(FIRST, SCENE.root_keys), join(parts)


def test_a_new_epoch_changes_nothing_but_its_time() -> None:
    assert changes(DRAFT, FIRST) == ()
    assert DRAFT.roster.valid_from == LATER
    assert DRAFT.roster.valid_until - LATER == FIRST.valid_until - FIRST.valid_from
    assert from_bytes(Draft, to_bytes(DRAFT)) == DRAFT


def test_a_node_that_proves_its_keys_joins_and_the_roots_sign_the_epoch() -> None:
    draft = DRAFT.enrol(asks("Fourth House")).enrol(asks("Fourth House", classical("twin"), node="twin"))
    assert kinds(draft) == [Kind.JOINS, Kind.JOINS]
    assert kinds(replace(draft, roster=replace(draft.roster, quorum=4)))[2:] == [Kind.RULES]
    second = open_rosters(chain(draft), SCENE.roots)[-1].document
    assert second.member(SCENE.node_id("Fourth House"))[0].nodes == draft.roster.organisations[-1].nodes
    assert len(second.panel()) == 5


def test_whoever_signs_is_told_of_every_change_of_the_log() -> None:
    log = Log("log.bank.example", signing_key("log").public, None)
    with_log = replace(DRAFT, roster=replace(DRAFT.roster, log=log))
    assert kinds(with_log) == [Kind.LOG]
    first = replace(FIRST, log=log, witnesses=1)
    draft = Draft.after(first, LATER)
    assert kinds(draft, first) == []
    for change in ({"witnesses": 2}, {"log": replace(log, signing=signing_key("another log").public)}):
        assert kinds(replace(draft, roster=replace(draft.roster, **change)), first) == [Kind.LOG]


def test_the_threshold_counts_holders_and_not_signatures() -> None:
    for holders in (1, 2, 3):
        if holders >= 2:
            open_rosters(chain(DRAFT, holders), SCENE.roots)
        else:
            with pytest.raises(SignatureRefusedError, match="1 of 2 needed"):
                open_rosters(chain(DRAFT, holders), SCENE.roots)
    once = Envelope.sign(DRAFT.roster, [signing_key("root 0")])
    with pytest.raises(SignatureRefusedError, match="1 of 2 needed"):
        open_rosters([chain(DRAFT)[0], join([once, once])], SCENE.roots)


def test_signatures_over_different_drafts_do_not_join() -> None:
    other = Draft.after(FIRST, LATER + 1)
    parts = [Envelope.sign(draft.roster, [signing_key("root 0")]) for draft in (DRAFT, other)]
    with pytest.raises(MalformedError, match="not over one draft"):
        join(parts)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asks("Fourth House", classical("Audit House")), "same key twice"),
        (asks("Audit House", classical("Audit House"), node="another name"), "same key twice"),
        (asks("Fourth House", classical(BANK)), "same key twice"),
        (asks(BANK, classical("bank's other machine")), "'Harbour Bank' is on the roster as operator"),
        (asks("Audit House", classical("x"), OrganisationRole.OPERATOR, "x"), "is on the roster as replayer"),
        (asks("Audit House", classical("x")), "same node name twice"),
    ],
    ids=[
        "one key in two organisations", "two names for one key", "the operator's key on the panel",
        "the operator on the panel", "a panel member as operator", "a name that is taken",
    ],
)  # fmt: skip
def test_a_request_that_would_let_one_party_be_two_is_refused(request_: Envelope, message: str) -> None:
    with pytest.raises((MalformedError, RosterRefusedError), match=message):
        changes(DRAFT.enrol(request_), FIRST)


def test_a_key_of_the_epoch_before_does_not_change_its_owner() -> None:
    """Not even if its owner left: documents name a node by its key, for good."""
    bank = _with(DRAFT, *FIRST.organisations[1:])
    with pytest.raises(RosterRefusedError, match="would have a key of node 'Harbour Bank'"):
        changes(bank.enrol(asks("Shell", classical(BANK))), FIRST)


def test_old_keys_sign_for_the_new_ones_or_are_said_to_be_lost() -> None:
    new = classical("Audit House, new")
    vouched = asks("Audit House", new, replacing=classical("Audit House"))
    alone = asks("Audit House", new)
    assert kinds(DRAFT.rotate(vouched, lost=False)) == [Kind.ROTATES]
    assert kinds(DRAFT.rotate(alone, lost=True)) == [Kind.REPLACED]
    with pytest.raises(RosterRefusedError, match="say --lost"):
        DRAFT.rotate(alone, lost=False)
    for draft in (DRAFT.rotate(vouched, lost=False), DRAFT.rotate(alone, lost=True)):
        roster = open_rosters(chain(draft), SCENE.roots)[-1].document
        assert [node.node_id for _, node in roster.members() if node.name == "Audit House"] == [
            new.signing.public.key_id
        ]


def test_a_rotation_is_of_a_node_that_is_there_and_by_its_own_keys() -> None:
    with pytest.raises(RosterRefusedError, match="has no node"):
        DRAFT.rotate(asks("Audit House", classical("x"), node="x"), lost=True)
    with pytest.raises(RosterRefusedError, match="not its own"):
        changes(
            DRAFT.rotate(asks("Audit House", classical("x"), replacing=classical("Consumer Union")), lost=False), FIRST
        )
    with pytest.raises(RosterRefusedError, match="as replayer"):
        DRAFT.rotate(asks("Audit House", classical("x"), OrganisationRole.DOCKET), lost=True)
    draft = DRAFT.enrol(asks("Fourth House", classical("x"), replacing=classical("Consumer Union")))
    with pytest.raises(RosterRefusedError, match="not its own"):
        changes(draft, FIRST)


def test_a_node_leaves_in_good_standing_or_is_revoked() -> None:
    node = SCENE.node_id("Audit House")
    left = DRAFT.enrol(asks("Fourth House")).revoke(node, None)
    assert kinds(left) == [Kind.JOINS, Kind.LEAVES]
    assert left.roster.revoked == ()
    gone = DRAFT.enrol(asks("Fourth House")).revoke(node, 40).revoke(node, 17)
    assert changes(gone, FIRST)[1:] == (
        Change(Kind.LEAVES, f"Audit House: Audit House ({node.short()})"),
        Change(Kind.REVOKED, f"key {node.short()}, for receipts from entry 17 of the log on"),
    )
    assert gone.roster.revoked == (Revocation(node, 17),)
    with pytest.raises(RosterRefusedError, match="is not on the roster"):
        DRAFT.revoke(Digest(bytes(32)), None)


def test_a_lost_key_is_replaced_and_revoked_in_one_epoch() -> None:
    node = SCENE.node_id("Audit House")
    draft = DRAFT.rotate(asks("Audit House", classical("new")), lost=True).revoke(node, 0)
    assert kinds(draft) == [Kind.REPLACED, Kind.REVOKED]
    assert len(draft.roster.panel()) == 3


def test_who_was_enrolled_in_a_draft_can_be_taken_off_it_again() -> None:
    draft = DRAFT.enrol(asks("Fourth House")).revoke(SCENE.node_id("Fourth House"), None)
    assert draft == DRAFT


def test_a_revoked_key_does_not_come_back() -> None:
    second = DRAFT.enrol(asks("Fourth House")).revoke(SCENE.node_id("Audit House"), 5).roster
    with pytest.raises(MalformedError, match="is revoked, and on the roster"):
        Draft.after(second, LATER + 1).enrol(asks("Audit House"))


def test_the_last_quorum_cannot_leave() -> None:
    with pytest.raises(MalformedError, match="quorum"):
        DRAFT.revoke(SCENE.node_id("Audit House"), None).revoke(SCENE.node_id("Consumer Union"), None)


def test_root_keys_give_way_to_others_and_the_old_ones_sign_that() -> None:
    new = RootKeys(tuple(signing_key(f"new root {i}").public for i in range(2)), 2)
    draft = replace(DRAFT, roster=replace(DRAFT.roster, roots=new))
    assert kinds(draft) == [Kind.ROOTS]
    third = Draft.after(draft.roster, LATER + 1).roster
    epochs = chain(draft)
    by_new, by_old = (
        Envelope.sign(third, [signing_key(f"{name} {i}") for i in range(2)]) for name in ("new root", "root")
    )
    assert open_rosters([*epochs, by_new], SCENE.roots)[-1].document == third
    with pytest.raises(SignatureRefusedError, match="no say here"):
        open_rosters([*epochs, by_old], SCENE.roots)


Forge = Callable[[Draft], Draft]
STRANGER = Node.of("Fourth House", classical("Fourth House"))
SHELL = Organisation("Shell", REPLAYER, (STRANGER,))
BANKS, AUDIT = FIRST.organisations[0], FIRST.organisations[2]
AUDITS = AUDIT.nodes[0]


def audit(node: Node) -> Forge:
    """Another node in the place of Audit House's."""
    others = tuple(organisation for organisation in FIRST.organisations if organisation != AUDIT)
    return lambda draft: _with(draft, *others, replace(AUDIT, nodes=(node,)))


FORGERIES: dict[str, Forge] = {
    "a node that nobody asked for": lambda d: _with(d, *FIRST.organisations, SHELL),
    "other keys for a node": audit(replace(STRANGER, name=AUDITS.name)),
    "another sealing key": audit(replace(AUDITS, sealing=STRANGER.sealing)),
    "a request under another organisation": lambda d: replace(
        _with(d, *FIRST.organisations, SHELL), requests=(asks("Fourth House"),)
    ),
    "another sealing key than was asked for": lambda d: _with(
        d.enrol(asks("Fourth House")),
        *FIRST.organisations,
        Organisation("Fourth House", REPLAYER, (replace(STRANGER, sealing=classical("keeper").sealing.public),)),
    ),
    "a request that nothing came of": lambda d: replace(d, requests=(asks("Fourth House"),)),
    "two requests of one node": lambda d: replace(
        d.enrol(asks("Fourth House")), requests=(asks("Fourth House"), asks("Fourth House", classical("y")))
    ),
    "a request signed by somebody else": lambda d: replace(
        d.enrol(asks("Fourth House")),
        requests=(Envelope.sign(asks("Fourth House").parse(Enrolment), [signing_key("somebody")]),),
    ),
    "a bank that becomes a replayer": lambda d: _with(d, replace(BANKS, role=REPLAYER), *FIRST.organisations[1:]),
    "an epoch that is left out": lambda d: replace(d, roster=replace(d.roster, epoch=3)),
    "another predecessor": lambda d: replace(d, roster=replace(d.roster, previous=Digest(bytes(32)))),
    "another name": lambda d: replace(d, roster=replace(d.roster, name="another")),
}


def _with(draft: Draft, *organisations: Organisation) -> Draft:
    return replace(draft, roster=replace(draft.roster, organisations=organisations))


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_draft_in_which_anything_else_is_different_is_refused_by_whoever_would_sign_it(forge: Forge) -> None:
    draft = forge(DRAFT)  # it is a roster that could stand; only its history is wrong
    with pytest.raises(ReperformError):
        changes(draft, FIRST)
