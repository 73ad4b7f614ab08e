"""Envelopes: what is signed is what is read, by everybody whose signature is needed and by nobody else."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope, Signature, open_signed, payload_type, pre_authentication_encoding
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keys import PublicKey, SignatureRefusedError
from reperform.evidence.values import Record, Text
from reperform.tests.evidence.scene import ring, signing_key

DOCUMENT = Text("words")
ALICE, BOB, MALLORY = (signing_key(name) for name in ("alice", "bob", "mallory"))


def test_the_pre_authentication_encoding_is_the_specifications_example() -> None:
    # https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_lengths_in_the_pre_authentication_encoding_count_bytes() -> None:
    assert pre_authentication_encoding("é", "é".encode()) == "DSSEv1 2 é 2 é".encode()
    assert pre_authentication_encoding("", b"") == b"DSSEv1 0  0 "


@given(st.text(st.characters(codec="utf-8")), st.binary(), st.text(st.characters(codec="utf-8")), st.binary())
def test_two_different_pairs_of_type_and_payload_are_never_signed_alike(a: str, b: bytes, c: str, d: bytes) -> None:
    same = pre_authentication_encoding(a, b) == pre_authentication_encoding(c, d)
    assert same == ((a, b) == (c, d))


def test_a_document_signed_by_several_opens_with_all_their_keys() -> None:
    envelope = Envelope.sign(DOCUMENT, [BOB, ALICE])
    opened = open_signed(from_bytes(Envelope, to_bytes(envelope)), Text, [ALICE.public, BOB.public])
    assert opened.document == DOCUMENT
    assert opened.signers == {ALICE.public.key_id, BOB.public.key_id}


def test_the_order_of_signing_does_not_show() -> None:
    assert Envelope.sign(DOCUMENT, [ALICE, BOB]) == Envelope.sign(DOCUMENT, [BOB, ALICE])


def test_signatures_out_of_order_twice_or_absent_are_refused() -> None:
    one, two = Envelope.sign(DOCUMENT, [ALICE, BOB]).signatures
    for signatures in ((two, one), (one, one), (one, replace(one, value=b"")), ()):
        with pytest.raises(MalformedError):
            Envelope("type", b"", signatures)


def test_a_missing_signature_is_refused() -> None:
    envelope = Envelope.sign(DOCUMENT, [ALICE])
    with pytest.raises(SignatureRefusedError, match=f"not signed by key {BOB.public.key_id.short()}"):
        open_signed(envelope, Text, [ALICE.public, BOB.public])


def test_a_signature_too_many_is_refused() -> None:
    envelope = Envelope.sign(DOCUMENT, [ALICE, MALLORY])
    with pytest.raises(SignatureRefusedError, match=f"{MALLORY.public.key_id.short()}, which has no say here"):
        open_signed(envelope, Text, [ALICE.public])


def test_a_bad_signature_beside_good_ones_is_refused() -> None:
    good = Envelope.sign(DOCUMENT, [ALICE, BOB])
    for i in range(2):
        signatures = list(good.signatures)
        signatures[i] = replace(signatures[i], value=bytes(64))
        with pytest.raises(SignatureRefusedError, match="does not verify"):
            open_signed(replace(good, signatures=tuple(signatures)), Text, [ALICE.public, BOB.public])


def test_a_signature_under_another_keys_name_is_refused() -> None:
    signature = Envelope.sign(DOCUMENT, [MALLORY]).signatures[0]
    claimed = Signature(ALICE.public.key_id, signature.value)
    with pytest.raises(SignatureRefusedError, match="does not verify"):
        open_signed(replace(Envelope.sign(DOCUMENT, [ALICE]), signatures=(claimed,)), Text, [ALICE.public])


def test_a_signature_over_one_type_is_none_over_another() -> None:
    envelope = Envelope.sign(DOCUMENT, [ALICE])
    with pytest.raises(SignatureRefusedError):
        replace(envelope, payload_type=payload_type(Record)).check({ALICE.public.key_id: ALICE.public})


def test_a_payload_is_not_read_as_another_kind_than_its_type_says() -> None:
    envelope = Envelope.sign(DOCUMENT, [ALICE])
    with pytest.raises(MalformedError, match=r"expected application/vnd\.reperform\.record\.v1"):
        open_signed(envelope, Record, [ALICE.public])
    lying = Envelope.sign_bytes(payload_type(Record), to_bytes(DOCUMENT), [ALICE])
    with pytest.raises(MalformedError, match="of kind 'text/v1', expected record/v1"):
        open_signed(lying, Record, [ALICE.public])


def test_a_signature_over_the_bare_payload_is_none() -> None:
    signature = Signature(ALICE.public.key_id, ALICE.sign(to_bytes(DOCUMENT)))
    envelope = Envelope(payload_type(Text), to_bytes(DOCUMENT), (signature,))
    with pytest.raises(SignatureRefusedError):
        open_signed(envelope, Text, [ALICE.public])


def test_nobodys_keys_open_nothing() -> None:
    with pytest.raises(SignatureRefusedError):
        open_signed(Envelope.sign(DOCUMENT, [ALICE]), Text, [])


def test_both_algorithms_sign_one_envelope() -> None:
    keys = ring("both").signers
    envelope = Envelope.sign(DOCUMENT, keys)
    assert open_signed(envelope, Text, [key.public for key in keys]).document == DOCUMENT
    assert sorted(len(s.value) for s in envelope.signatures) == [64, 2420]


def _independent(text: str, keys: dict[str, PublicKey]) -> tuple[str, bytes]:
    """The verification procedure of the DSSE specification, written from its text."""
    body: Any = json.loads(text)
    payload = base64.b64decode(body["payload"], validate=True)
    kind = body["payloadType"]
    parts = ["DSSEv1", str(len(kind.encode())), kind, str(len(payload)), ""]
    message = " ".join(parts).encode() + payload
    for signature in body["signatures"]:
        keys[signature["keyid"]].verify(base64.b64decode(signature["sig"], validate=True), message)
    return kind, payload


def test_other_tools_read_and_verify_the_envelope_as_json() -> None:
    envelope = Envelope.sign(DOCUMENT, [ALICE, BOB])
    keys = {str(key.public.key_id): key.public for key in (ALICE, BOB)}
    assert _independent(envelope.to_json(), keys) == (envelope.payload_type, envelope.payload)
    assert json.loads(envelope.to_json()).keys() == {"payload", "payloadType", "signatures"}
    altered = replace(envelope, payload=envelope.payload + b"x")
    with pytest.raises(SignatureRefusedError):
        _independent(altered.to_json(), keys)


def test_an_unknown_key_is_named_in_the_error() -> None:
    with pytest.raises(SignatureRefusedError, match="000000000000"):
        Envelope("t", b"", (Signature(Digest(bytes(32)), b""),)).check({})
