"""Sealed messages open for one recipient, for one purpose, in one place."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.encoding import MalformedError, encode
from reperform.evidence.sealing import BLOCK_BYTES, SUITE, Purpose, SealBrokenError, check_sealing_key, seal
from reperform.tests.evidence.scene import ring

ALICE, BOB = ring("alice").sealing, ring("bob").sealing
SEALED = seal(b"message", ALICE.public, purpose=Purpose.ANSWER, context=b"case")
# The points of low order of Curve25519, canonical and not (RFC 7748 §6.1 and its references).
LOW_ORDER = {
    "0": "00" * 32,
    "1": "01" + "00" * 31,
    "order 8": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "order 8, other": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "p - 1": "ec" + "ff" * 30 + "7f",
    "p": "ed" + "ff" * 30 + "7f",
    "p + 1": "ee" + "ff" * 30 + "7f",
}


@given(st.binary(max_size=2000), st.sampled_from(Purpose), st.binary(max_size=40))
def test_a_sealed_message_opens_in_its_place(message: bytes, purpose: Purpose, context: bytes) -> None:
    sealed = seal(message, ALICE.public, purpose=purpose, context=context)
    assert ALICE.open(sealed, purpose=purpose, context=context) == message


def test_another_recipient_purpose_or_case_does_not_open_it() -> None:
    assert ALICE.open(SEALED, purpose=Purpose.ANSWER, context=b"case") == b"message"
    for key, purpose, context in (
        (BOB, Purpose.ANSWER, b"case"),
        (ALICE, Purpose.PANEL_OPENING, b"case"),
        (ALICE, Purpose.OUTPUT_KEY, b"case"),
        (ALICE, Purpose.ANSWER, b"another case"),
        (ALICE, Purpose.ANSWER, b""),
    ):
        with pytest.raises(SealBrokenError, match="does not open"):
            key.open(SEALED, purpose=purpose, context=context)


def test_an_altered_or_cut_message_does_not_open() -> None:
    for i in range(0, len(SEALED), 7):
        with pytest.raises(SealBrokenError):
            ALICE.open(SEALED[:i], purpose=Purpose.ANSWER, context=b"case")
        flipped = SEALED[:i] + bytes([SEALED[i] ^ 1]) + SEALED[i + 1 :]
        with pytest.raises(SealBrokenError):
            ALICE.open(flipped, purpose=Purpose.ANSWER, context=b"case")


@given(st.binary(max_size=200))
def test_random_bytes_do_not_open(data: bytes) -> None:
    with pytest.raises(SealBrokenError):
        ALICE.open(data, purpose=Purpose.ANSWER, context=b"case")


def test_the_same_message_is_never_sealed_alike() -> None:
    assert seal(b"message", ALICE.public, purpose=Purpose.ANSWER, context=b"case") != SEALED


def test_the_length_of_a_sealed_message_does_not_tell_which_of_two_words_is_in_it() -> None:
    lengths = {
        len(seal(word, ALICE.public, purpose=Purpose.ANSWER, context=b""))
        for word in (b"", b"approved", b"declined for want of income", bytes(BLOCK_BYTES - 1))
    }
    assert len(lengths) == 1
    longer = seal(bytes(BLOCK_BYTES), ALICE.public, purpose=Purpose.ANSWER, context=b"")
    assert len(longer) == min(lengths) + BLOCK_BYTES


@pytest.mark.parametrize("padded", [b"", b"message", bytes(BLOCK_BYTES), b"m\x80", b"m\x80" + bytes(BLOCK_BYTES)])
def test_a_message_that_is_not_padded_in_the_one_way_is_refused(padded: bytes) -> None:
    info = encode(["answer/v1", b"case", ALICE.public])
    sealed = SUITE.encrypt(padded, X25519PublicKey.from_public_bytes(ALICE.public), info=info)
    with pytest.raises(SealBrokenError, match="not padded"):
        ALICE.open(sealed, purpose=Purpose.ANSWER, context=b"case")


@pytest.mark.parametrize("public", LOW_ORDER.values(), ids=LOW_ORDER.keys())
def test_a_recipients_key_of_low_order_is_refused(public: str) -> None:
    with pytest.raises(MalformedError, match="nothing can be sealed to"):
        check_sealing_key(bytes.fromhex(public))
    with pytest.raises(MalformedError, match="nothing can be sealed to"):
        seal(b"", bytes.fromhex(public), purpose=Purpose.ANSWER, context=b"")


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33)])
def test_a_recipients_key_of_the_wrong_size_is_refused(public: bytes) -> None:
    with pytest.raises(MalformedError, match="expected 32"):
        check_sealing_key(public)


def test_a_sealing_key_does_not_show_itself() -> None:
    assert ALICE.private.private_bytes_raw().hex()[:12] not in repr(ALICE)
