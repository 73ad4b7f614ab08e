"""Commitments: bound to one value under one key, and silent without it."""

from __future__ import annotations

import hashlib
import hmac
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.commitment import Commitment, CommitmentBrokenError, Role, key_digest, new_key, tag
from reperform.evidence.encoding import MalformedError

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
KEYS = st.binary(min_size=32, max_size=32)


@given(st.sampled_from(Role), st.binary(), KEYS)
def test_a_commitment_opens_to_what_was_committed(role: Role, value: bytes, key: bytes) -> None:
    assert Commitment.make(role, value, key).opens_to(role, value, key)


@given(st.binary(), st.binary(), KEYS)
def test_a_commitment_opens_to_nothing_else(value: bytes, other: bytes, key: bytes) -> None:
    assert Commitment.make(Role.OUTPUT, value, key).opens_to(Role.OUTPUT, other, key) == (value == other)


def test_a_wrong_value_is_an_answer_and_a_wrong_key_is_an_error() -> None:
    commitment = Commitment.make(Role.OUTPUT, b"decline", KEY)
    assert commitment.opens_to(Role.OUTPUT, b"approve", KEY) is False
    for value in (b"decline", b"approve"):
        with pytest.raises(CommitmentBrokenError, match="key is not the one"):
            commitment.opens_to(Role.OUTPUT, value, OTHER_KEY)


def test_a_value_committed_in_one_role_does_not_open_in_another() -> None:
    for one, other in permutations(Role, 2):
        assert not Commitment.make(one, b"x", KEY).opens_to(other, b"x", KEY)
        assert tag(one, b"x", KEY) != tag(other, b"x", KEY)


def test_the_same_value_under_two_keys_has_nothing_in_common() -> None:
    one, other = (Commitment.make(Role.INPUT, b"x", key) for key in (KEY, OTHER_KEY))
    assert one.mac != other.mac
    assert one.key != other.key


def test_a_tag_is_hmac_sha256_over_role_zero_and_value() -> None:
    assert tag(Role.INPUT, b"v", KEY).value == hmac.new(KEY, b"input/v1\x00v", hashlib.sha256).digest()


def test_the_digest_of_a_key_is_not_a_commitment_to_anything_under_it() -> None:
    assert key_digest(KEY).value != hashlib.sha256(KEY).digest()
    assert key_digest(KEY) not in {tag(role, b"", KEY) for role in Role}


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(64)])
def test_a_key_of_another_length_is_refused_since_hmac_would_pad_or_hash_it(key: bytes) -> None:
    for use in (
        lambda: key_digest(key),
        lambda: tag(Role.INPUT, b"", key),
        lambda: Commitment.make(Role.INPUT, b"", key),
        lambda: Commitment.make(Role.INPUT, b"", KEY).opens_to(Role.INPUT, b"", key),
    ):
        with pytest.raises(MalformedError, match="expected 32"):
            use()


def test_new_keys_are_32_bytes_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}
