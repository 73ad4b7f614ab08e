"""Rosters: every invariant, every epoch signed by a threshold of the one before, nobody counted twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from reperform.evidence import roster as roster_module
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keys import SignatureRefusedError, SigningKey
from reperform.evidence.roots import NotARootError, RootKeys
from reperform.evidence.roster import (
    Log,
    Node,
    Organisation,
    OrganisationRole,
    Revocation,
    Roster,
    RosterRefusedError,
    Suite,
    named_roster,
    open_roster,
    open_rosters,
)
from reperform.evidence.times import LATEST
from reperform.tests.evidence.scene import BANK, DOCKET, START, Scene, ring, signing_key

SCENE = Scene(suite=Suite.ED25519_ML_DSA_44)
ROSTER = SCENE.roster
BANK_ORG, DOCKET_ORG, *PANEL_ORGS = ROSTER.organisations
REPLAYER = OrganisationRole.REPLAYER


def organisation(name: str, *nodes: Node) -> Organisation:
    return Organisation(name, REPLAYER, nodes or (SCENE.member(name),))


def test_a_roster_reads_back_as_it_was_written() -> None:
    assert from_bytes(Roster, to_bytes(ROSTER)) == ROSTER


@pytest.mark.parametrize("size", range(6))
def test_a_quorum_is_more_than_half_of_the_panel_and_not_more_than_all(size: int) -> None:
    panel = tuple(organisation(f"Replayer {i}") for i in range(size))
    for quorum in range(-1, size + 2):
        if size / 2 < quorum <= size:
            replace(ROSTER, organisations=(BANK_ORG, *panel), quorum=quorum)
        else:
            with pytest.raises(MalformedError, match="not more than half"):
                replace(ROSTER, organisations=(BANK_ORG, *panel), quorum=quorum)


def test_operators_and_dockets_do_not_count_towards_the_panel() -> None:
    with pytest.raises(MalformedError, match="of 1 replaying organisations"):
        replace(ROSTER, organisations=(BANK_ORG, DOCKET_ORG, PANEL_ORGS[0]), quorum=2)


_BORROWED = replace(SCENE.member("Newcomer"), signing=ring("Audit House").signing.public)
_BORROWED_PQ = replace(SCENE.member("Newcomer"), post_quantum=SCENE.member("Audit House").post_quantum)
_RENAMED = replace(SCENE.member("Newcomer"), name="Audit House")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 0}, "epoch 1 has no predecessor"),
        ({"epoch": 2}, "epoch 1 has no predecessor"),
        ({"previous": Digest(bytes(32))}, "epoch 1 has no predecessor"),
        ({"valid_from": -1}, "valid for some time"),
        ({"valid_until": ROSTER.valid_from}, "valid for some time"),
        ({"valid_until": LATEST + 1}, "year 9999"),
        ({"organisations": (*ROSTER.organisations, PANEL_ORGS[0])}, "same organisation twice"),
        ({"organisations": (*ROSTER.organisations, replace(PANEL_ORGS[0], name="Shell"))}, "same node name twice"),
        ({"organisations": (*ROSTER.organisations, organisation("Shell", _BORROWED))}, "same key twice"),
        ({"organisations": (*ROSTER.organisations, organisation("Shell", _BORROWED_PQ))}, "same key twice"),
        ({"organisations": (*ROSTER.organisations, organisation("Shell", _RENAMED))}, "same node name twice"),
        ({"organisations": (*ROSTER.organisations, replace(organisation("Shell"), name=""))}, "without a name"),
        ({"organisations": (*ROSTER.organisations, replace(organisation("Shell"), nodes=()))}, "without a node"),
    ],
)
def test_a_roster_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        replace(ROSTER, **changes)


def test_a_roster_with_ml_dsa_needs_such_a_key_of_every_node() -> None:
    bare = replace(SCENE.member("Shell"), post_quantum=None)
    with pytest.raises(MalformedError, match="without an ML-DSA-44 key"):
        replace(ROSTER, organisations=(*ROSTER.organisations, organisation("Shell", bare)), quorum=3)


def test_a_roster_of_too_many_nodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert roster_module.MAX_NODES == 1024
    monkeypatch.setattr(roster_module, "MAX_NODES", 5)
    assert len(list(Scene().roster.members())) == 5
    with pytest.raises(MalformedError, match="the limit is 5"):
        _ = Scene(panel={"A": 1, "B": 1, "C": 2}).roster


@pytest.mark.parametrize(
    "change",
    [
        lambda node: {"signing": node.post_quantum},
        lambda node: {"post_quantum": node.signing},
        lambda _: {"sealing": bytes(31)},
        lambda _: {"sealing": bytes(32)},
    ],
    ids=["ML-DSA first", "Ed25519 second", "short sealing key", "sealing key of low order"],
)
def test_a_node_with_a_wrong_key_is_refused(change: Callable[[Node], dict[str, Any]]) -> None:
    node = SCENE.member("Audit House")
    with pytest.raises(MalformedError):
        replace(node, **change(node))


def test_who_signs_for_a_node_follows_from_the_suite() -> None:
    node = SCENE.member("Audit House")
    assert ROSTER.keys_of(node) == (node.signing, node.post_quantum)
    assert replace(ROSTER, suite=Suite.ED25519).keys_of(node) == (node.signing,)


def test_a_member_signs_with_the_keys_that_its_roster_asks_for_and_no_others() -> None:
    for suite in Suite:
        scene = Scene(suite=suite)
        both, node = ring("Audit House"), scene.member("Audit House")
        signers = scene.roster.signers(both)
        assert (
            [key.public for key in signers]
            == list(scene.roster.keys_of(node))
            == [key.public for key in scene.signers("Audit House")]
        )
        assert set(scene.roster.panel_keys().values()) == {
            key.public for name in scene.voters for key in scene.signers(name)
        }


@pytest.mark.parametrize("held", [None, ring("Consumer Union").post_quantum], ids=["none", "another's"])
def test_a_key_file_without_a_key_that_the_roster_asks_for_is_refused(held: SigningKey | None) -> None:
    keys = replace(ring("Audit House"), post_quantum=held)
    with pytest.raises(RosterRefusedError, match=r"signs with ml-dsa-44 key .* too.*; use the key file whose public"):
        ROSTER.signers(keys)
    assert Scene().roster.signers(keys) == (keys.signing,)


def test_a_stranger_signs_nothing() -> None:
    with pytest.raises(RosterRefusedError, match="is not on epoch 1"):
        ROSTER.signers(ring("nobody"))


def test_a_member_is_found_by_the_id_of_its_key_and_only_in_its_role() -> None:
    roles = {BANK: OrganisationRole.OPERATOR, DOCKET: OrganisationRole.DOCKET, "Audit House": REPLAYER}
    for name, role in roles.items():
        assert ROSTER.member_as(SCENE.node_id(name), role)[1].name == name
        for other in set(OrganisationRole) - {role}:
            with pytest.raises(RosterRefusedError, match=f"whose role is {role}, not {other}"):
                ROSTER.member_as(SCENE.node_id(name), other)
    with pytest.raises(RosterRefusedError, match="is not on epoch 1"):
        ROSTER.member(SCENE.node_id("stranger"))
    assert [node.name for node in ROSTER.panel()] == list(SCENE.voters)


def test_a_roster_is_in_force_from_its_first_to_its_last_millisecond() -> None:
    ROSTER.check_time(ROSTER.valid_from)
    ROSTER.check_time(ROSTER.valid_until)
    for time, message in ((ROSTER.valid_from - 1, "not in force yet"), (ROSTER.valid_until + 1, "has expired")):
        with pytest.raises(RosterRefusedError, match=message):
            ROSTER.check_time(time)


# Epochs.


def epoch(before: Roster, **changes: Any) -> Roster:
    return replace(before, **{"epoch": before.epoch + 1, "previous": before.roster_id, **changes})


NEW_ROOTS = [signing_key(f"new root {i}") for i in range(3)]
SECOND = epoch(ROSTER, roots=RootKeys(tuple(key.public for key in NEW_ROOTS), 3))
THIRD = epoch(SECOND, valid_until=START + 2 * 10**9)
CHAIN = (
    Envelope.sign(ROSTER, SCENE.root_keys[:2]),
    Envelope.sign(SECOND, SCENE.root_keys[1:]),
    Envelope.sign(THIRD, NEW_ROOTS),
)


def test_each_epoch_is_signed_by_the_root_keys_of_the_one_before() -> None:
    assert [signed.document for signed in open_rosters(CHAIN, SCENE.roots)] == [ROSTER, SECOND, THIRD]


def test_a_reader_may_start_at_a_later_epoch_with_its_root_keys() -> None:
    assert open_rosters(CHAIN[1:2], SCENE.roots)[0].document == SECOND


@pytest.mark.parametrize("chain", [(2, 1, 0), (0, 2), (0, 1, 1), (0, 0), (1, 0), (0, 2, 1)])
def test_a_chain_out_of_order_or_with_a_gap_is_refused(chain: tuple[int, ...]) -> None:
    with pytest.raises((RosterRefusedError, SignatureRefusedError)):
        open_rosters([CHAIN[i] for i in chain], SCENE.roots)


def test_an_epoch_is_not_signed_by_its_own_root_keys() -> None:
    with pytest.raises(SignatureRefusedError, match="no say here"):
        open_rosters((CHAIN[0], Envelope.sign(SECOND, NEW_ROOTS)), SCENE.roots)


@pytest.mark.parametrize("signers", [0, 1, 2])
def test_fewer_signatures_than_the_threshold_of_the_epoch_before_are_refused(signers: int) -> None:
    keys = NEW_ROOTS[: signers or 1]
    with pytest.raises(SignatureRefusedError, match=f"carries {signers or 1} of 3 needed"):
        open_rosters((*CHAIN[:2], Envelope.sign(THIRD, keys)), SCENE.roots)


def test_two_successors_of_one_epoch_do_not_form_a_chain() -> None:
    fork = epoch(ROSTER, name="another future")
    for pair in ((CHAIN[1], Envelope.sign(fork, SCENE.root_keys)), (Envelope.sign(fork, SCENE.root_keys), CHAIN[1])):
        with pytest.raises((RosterRefusedError, SignatureRefusedError)):
            open_rosters((CHAIN[0], *pair), SCENE.roots)


def test_a_roster_with_a_stranger_among_its_signers_is_refused() -> None:
    envelope = Envelope.sign(ROSTER, [*SCENE.root_keys, signing_key("stranger")])
    with pytest.raises(SignatureRefusedError, match="no say here"):
        open_roster(envelope, SCENE.roots)


def test_the_roster_that_a_document_names_is_found_by_its_digest_alone() -> None:
    assert named_roster([ROSTER, SECOND], SECOND.roster_id) is SECOND
    with pytest.raises(RosterRefusedError, match="not at hand"):
        named_roster([ROSTER, SECOND], THIRD.roster_id)


# Root keys.


def test_root_keys_read_back_from_their_file() -> None:
    assert RootKeys.from_json(SCENE.roots.to_json()) == SCENE.roots


@pytest.mark.parametrize("threshold", [-1, 0, 4])
def test_a_threshold_that_nobody_or_anybody_reaches_is_refused(threshold: int) -> None:
    with pytest.raises(MalformedError, match="threshold"):
        replace(SCENE.roots, threshold=threshold)


def test_a_root_key_cannot_stand_twice() -> None:
    with pytest.raises(MalformedError, match="stands twice"):
        RootKeys((SCENE.roots.keys[0],) * 2, 2)


_KEY = str(SCENE.roots.keys[0])


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, '{"threshold": 1, "keys": []} x'])
def test_a_root_key_file_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        RootKeys.from_json(text)


@pytest.mark.parametrize(
    ("threshold", "keys", "more"),
    [
        ("1", f'"{_KEY}"', ', "more": 1'),
        ("2", f'"{_KEY}"', ', "threshold": 1'),
        ("1", "", ""),
        ("1", "1", ""),
        ("1", f'"{_KEY}", "{_KEY}"', ""),
        ("1", f'"{_KEY.upper()}"', ""),
        ("1", f'"ed25519:{"00" * 32}"', ""),
        ("true", f'"{_KEY}"', ""),
        ("1.0", f'"{_KEY}"', ""),
        ('"1"', f'"{_KEY}"', ""),
        ("NaN", f'"{_KEY}"', ""),
        ("9" * 5000, f'"{_KEY}"', ""),
    ],
)
def test_a_root_key_file_that_says_anything_else_is_refused(threshold: str, keys: str, more: str) -> None:
    def file(threshold: str, keys: str, more: str) -> str:
        return f'{{"threshold": {threshold}, "keys": [{keys}]{more}}}'

    assert RootKeys.from_json(file("1", f'"{_KEY}"', "")).threshold == 1
    with pytest.raises(MalformedError):
        RootKeys.from_json(file(threshold, keys, more))


# Root keys that sign with ML-DSA-44 too.


HOLDERS = [ring(f"holder {i}") for i in range(3)]
HYBRID = RootKeys(
    tuple(keys.signing.public for keys in HOLDERS),
    2,
    tuple(keys.post_quantum.public for keys in HOLDERS if keys.post_quantum is not None),
)


def test_a_holder_of_two_root_keys_has_signed_when_both_have() -> None:
    def opened(keys: list[SigningKey]) -> Roster:
        return open_roster(Envelope.sign(replace(ROSTER, roots=HYBRID), keys), HYBRID).document

    assert opened([*HOLDERS[0].signers, *HOLDERS[2].signers]).roots == HYBRID
    for keys in (
        [holder.signers[0] for holder in HOLDERS],
        [holder.signers[1] for holder in HOLDERS],
        [*HOLDERS[0].signers, HOLDERS[1].signers[0], HOLDERS[2].signers[1]],
    ):
        with pytest.raises(SignatureRefusedError, match="of 2 needed"):
            opened(keys)


def test_a_holder_signs_with_all_its_root_keys_and_a_stranger_with_none() -> None:
    assert HYBRID.signers(HOLDERS[1]) == HOLDERS[1].signers
    assert replace(HYBRID, post_quantum=()).signers(HOLDERS[1]) == HOLDERS[1].signers[:1]
    with pytest.raises(NotARootError, match="does not hold"):
        HYBRID.signers(replace(HOLDERS[1], post_quantum=None))
    with pytest.raises(NotARootError, match="is not one of the root keys"):
        HYBRID.signers(ring("stranger"))


def test_two_kinds_of_root_keys_read_back_from_their_file() -> None:
    assert RootKeys.from_json(HYBRID.to_json()) == HYBRID


@pytest.mark.parametrize(
    "changes",
    [
        {"post_quantum": HYBRID.post_quantum[:2]},
        {"post_quantum": HYBRID.post_quantum[:1] * 3},
        {"post_quantum": HYBRID.keys},
        {"keys": HYBRID.post_quantum},
    ],
)
def test_root_keys_of_one_holder_stand_together(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(HYBRID, **changes)


# Revoked keys.


def revoked(*effective: int) -> tuple[Revocation, ...]:
    return tuple(Revocation(Digest(bytes([i]) * 32), entry) for i, entry in enumerate(effective))


def test_revocations_stand_once_each_in_order_and_concern_nobody_on_the_roster() -> None:
    assert replace(ROSTER, revoked=revoked(5, 3)).roster_id != ROSTER.roster_id
    here = (Revocation(SCENE.node_id("Audit House"), 0),)
    for wrong in (revoked(5, 3)[::-1], revoked(5)[:1] * 2, here):
        with pytest.raises(MalformedError):
            replace(ROSTER, revoked=wrong)
    with pytest.raises(MalformedError, match="from 0"):
        revoked(-1)


@pytest.mark.parametrize(("later", "stands"), [((5,), True), ((5, 9), True), ((4,), True), ((6,), False), ((), False)])
def test_no_later_epoch_takes_a_revocation_back(later: tuple[int, ...], stands: bool) -> None:
    """It may turn out that a key was in other hands earlier, never that it was not."""
    second = epoch(ROSTER, revoked=revoked(5))
    third = epoch(second, revoked=revoked(*later))
    if stands:
        third.check_follows(second)
    else:
        with pytest.raises(RosterRefusedError, match="takes back"):
            third.check_follows(second)


def test_a_roster_keeps_its_name() -> None:
    with pytest.raises(RosterRefusedError, match="does not follow"):
        epoch(ROSTER, name="another").check_follows(ROSTER)


def test_a_sealing_key_stands_on_a_roster_once() -> None:
    lent = replace(SCENE.member("Newcomer"), sealing=SCENE.member("Audit House").sealing)
    with pytest.raises(MalformedError, match="same key twice"):
        replace(ROSTER, organisations=(*ROSTER.organisations, organisation("Shell", lent)))


LOG = Log("log.bank.example/decisions", signing_key("log").public, ring("log").post_quantum.public)  # type: ignore[union-attr]


def test_a_roster_with_a_log_reads_back_as_it_was_written() -> None:
    roster = replace(ROSTER, log=LOG, witnesses=2)
    assert from_bytes(Roster, to_bytes(roster)) == roster


@pytest.mark.parametrize("witnesses", range(-1, 5))
def test_no_more_organisations_witness_than_replay(witnesses: int) -> None:
    if 0 <= witnesses <= len(PANEL_ORGS):
        replace(ROSTER, log=LOG, witnesses=witnesses)
    else:
        with pytest.raises(MalformedError, match="witnessing organisations"):
            replace(ROSTER, log=LOG, witnesses=witnesses)


def test_without_a_log_there_is_nothing_to_witness() -> None:
    with pytest.raises(MalformedError, match="witnessing organisations"):
        replace(ROSTER, witnesses=1)


def test_a_log_signs_with_keys_of_its_own() -> None:
    for field in ("signing", "post_quantum"):
        with pytest.raises(MalformedError, match="the same key twice"):
            replace(ROSTER, log=replace(LOG, **{field: getattr(SCENE.member(BANK), field)}))


def test_a_log_has_a_second_key_where_the_suite_asks_for_one() -> None:
    with pytest.raises(MalformedError, match="without an ML-DSA-44 key"):
        replace(ROSTER, log=replace(LOG, post_quantum=None))


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "line\nbreak", "l\u00f6g.example", "x" * 256])
def test_an_origin_that_cannot_name_a_key_is_refused(origin: str) -> None:
    with pytest.raises(MalformedError, match="origin of a log"):
        replace(LOG, origin=origin)


def test_only_the_keys_of_the_log_sign_for_it() -> None:
    roster = replace(ROSTER, log=LOG)
    assert {key.public for key in roster.log_signers(ring("log"))} == set(roster.keys_of(LOG))
    with pytest.raises(RosterRefusedError, match="is not that of the log"):
        roster.log_signers(ring(BANK))
    with pytest.raises(RosterRefusedError, match="does not hold"):
        roster.log_signers(replace(ring("log"), post_quantum=None))
    with pytest.raises(RosterRefusedError, match="is not that of the log"):
        ROSTER.log_signers(ring("log"))


def test_no_later_epoch_leaves_the_log() -> None:
    first = replace(ROSTER, log=LOG)
    second = replace(first, epoch=2, previous=first.roster_id)
    replace(second, log=replace(LOG, signing=signing_key("new log").public)).check_follows(first)
    for log in (None, replace(LOG, origin="elsewhere.example")):
        with pytest.raises(RosterRefusedError, match="leaves log"):
            replace(second, log=log).check_follows(first)


def test_a_witness_has_a_name_that_a_signed_note_can_hold() -> None:
    node = SCENE.member(BANK)
    assert replace(node, name="Bank of Two Rivers +1").cosigner == "Bank%20of%20Two%20Rivers%20%2B1"
    with pytest.raises(MalformedError, match="too long a name"):
        replace(node, name="\u00fc" * 43)
