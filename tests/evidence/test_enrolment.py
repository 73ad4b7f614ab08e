"""Enrolment: who asks to be on a roster holds every key that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.enrolment import Enrolment, open_enrolment
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SignatureRefusedError, SigningKey
from reperform.evidence.roster import Node, OrganisationRole, RosterRefusedError, Suite
from reperform.tests.evidence.scene import Scene, ring

ROSTER = Scene(suite=Suite.ED25519_ML_DSA_44).roster
REPLAYER = OrganisationRole.REPLAYER
OLD, NEW, THIRD = ring("Audit House"), ring("Audit House, new keys"), ring("somebody else")


def request(keys: KeyRing = NEW, replacing: KeyRing | None = None, name: str = "Audit House") -> Envelope:
    return Enrolment.of(keys, organisation="Audit House", role=REPLAYER, node=name, replacing=replacing)


def signed(document: Enrolment, keys: Sequence[SigningKey]) -> Envelope:
    return Envelope.sign(document, keys)


DOCUMENT = request().parse(Enrolment)
ROTATION = request(replacing=OLD).parse(Enrolment)


@pytest.mark.parametrize("post_quantum", [False, True])
def test_a_request_names_all_its_keys_and_is_signed_by_each(post_quantum: bool) -> None:
    keys = NEW if post_quantum else replace(NEW, post_quantum=None)
    opened = open_enrolment(from_bytes(Envelope, to_bytes(request(keys))), ROSTER)
    assert opened.document == Enrolment("Audit House", REPLAYER, Node.of("Audit House", keys), None)
    assert opened.signers == {key.public.key_id for key in keys.signers}


def test_a_rotation_is_signed_by_the_old_keys_too() -> None:
    opened = open_enrolment(request(replacing=OLD), ROSTER)
    assert opened.document.replaces == OLD.signing.public.key_id
    assert opened.signers == {key.public.key_id for key in (*OLD.signers, *NEW.signers)}


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        (DOCUMENT, NEW.signers[:1]),
        (DOCUMENT, NEW.signers[1:]),
        (DOCUMENT, THIRD.signers),
        (DOCUMENT, (*NEW.signers, THIRD.signing)),
        (DOCUMENT, (*NEW.signers, *OLD.signers)),
        (ROTATION, NEW.signers),
        (ROTATION, OLD.signers),
        (ROTATION, (*NEW.signers, OLD.signing)),
        (ROTATION, (*NEW.signers, *THIRD.signers)),
    ],
    ids=[
        "the first key alone", "the second key alone", "another's keys", "a stranger too", "keys that it does not name",
        "the new keys alone", "the old keys alone", "one of two old keys", "another's as the old",
    ],
)  # fmt: skip
def test_a_request_with_other_signatures_than_its_keys_is_refused(
    document: Enrolment, keys: Sequence[SigningKey]
) -> None:
    with pytest.raises(SignatureRefusedError):
        open_enrolment(signed(document, keys), ROSTER)


def test_nobody_enrols_with_the_key_of_another() -> None:
    """A vote signed by its owner would count for the thief."""
    stolen = replace(DOCUMENT, node=replace(DOCUMENT.node, signing=THIRD.signing.public))
    with pytest.raises(SignatureRefusedError):
        open_enrolment(signed(stolen, NEW.signers), ROSTER)


def test_what_is_replaced_must_stand_on_the_roster() -> None:
    with pytest.raises(RosterRefusedError, match="is not on epoch 1"):
        open_enrolment(request(replacing=THIRD), ROSTER)


def test_a_key_does_not_replace_itself() -> None:
    with pytest.raises(MalformedError, match="by itself"):
        request(OLD, replacing=OLD)


def test_a_request_signed_as_another_kind_of_document_is_none() -> None:
    elsewhere = Envelope.sign_bytes("application/vnd.reperform.node.v1+msgpack", to_bytes(DOCUMENT), NEW.signers)
    with pytest.raises(MalformedError, match="payload of type"):
        open_enrolment(elsewhere, ROSTER)


@pytest.mark.parametrize("change", [{"organisation": ""}, {"node": replace(DOCUMENT.node, name="")}])
def test_a_request_without_a_name_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedError, match="without the name"):
        replace(DOCUMENT, **change)  # type: ignore[arg-type]


# The identity, a point of order 2, one of order 8, and another encoding of the identity.
LOW_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("key", LOW_ORDER)
def test_a_key_of_low_order_cannot_be_enrolled(key: str) -> None:
    """The library would verify a fixed signature of it for every message."""
    data = to_bytes(DOCUMENT).replace(DOCUMENT.node.signing.value, bytes.fromhex(key))
    assert data != to_bytes(DOCUMENT)
    with pytest.raises(MalformedError):
        from_bytes(Enrolment, data)
