"""Digests: domains keep kinds apart, and a digest is written in one way."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.encoding import MalformedError


def test_a_digest_is_sha256_over_the_domain_a_zero_byte_and_the_payload() -> None:
    expected = hashlib.sha256(b"reperform/receipt/v1\x00payload").digest()
    assert digest(Domain.RECEIPT, b"payload").value == expected


def test_the_same_bytes_have_another_digest_in_every_domain() -> None:
    assert all(digest(one, b"x") != digest(other, b"x") for one, other in combinations(Domain, 2))


def test_no_domain_can_be_continued_into_another_one() -> None:
    assert all(b"\x00" not in domain.encode() for domain in Domain)


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_reads_back_from_its_text(value: bytes) -> None:
    assert Digest.from_hex(str(Digest(value))) == Digest(value)


@pytest.mark.parametrize(
    "text",
    ["", "00", "0" * 63, "0" * 65, "A" * 64, " " + "0" * 64, "0" * 62 + " 0", "g" * 64, "0x" + "0" * 62, "٠" * 64],
)
def test_a_digest_written_in_another_way_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Digest.from_hex(text)


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), bytearray(32), "0" * 32, None])
def test_a_digest_is_32_bytes_and_nothing_else(value: bytes) -> None:
    with pytest.raises(MalformedError):
        Digest(value)
