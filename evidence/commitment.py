"""Commitments that hide: HMAC-SHA256 (RFC 2104) under a random key of 32 bytes.

An answer of approve or decline has one bit to guess, so a plain digest would give it away; under a random
key nothing can be tested, and destroying the key is erasure.

The commitment names the digest of its key too. Without that, whoever hands over the key could hand over a
wrong one, and an honest operator would look as if their output were wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self

from .digest import Digest, Domain, digest
from .encoding import MalformedError
from .errors import ReperformError

KEY_BYTES: Final = 32


class CommitmentBrokenError(ReperformError):
    """A key or a value that is not the committed one."""


class Role(StrEnum):
    """What a committed value is; part of what is authenticated."""

    INPUT = "input/v1"
    OUTPUT = "output/v1"
    ANSWER = "answer/v1"  # a replayer's own output, under the panel's key
    TRACE = "trace/v1"  # a replayer's intermediate values, under the panel's key


def new_key() -> bytes:
    """A fresh commitment key: 32 bytes from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


def key_digest(key: bytes) -> Digest:
    """What is published about a commitment key. Raises MalformedError unless it has 32 bytes."""
    if len(key) != KEY_BYTES:
        raise MalformedError(f"a commitment key of {len(key)} bytes, expected {KEY_BYTES}")
    return digest(Domain.COMMITMENT_KEY, key)


def tag(role: Role, value: bytes, key: bytes) -> Digest:
    """HMAC-SHA256(key, role ‖ 0x00 ‖ value). Equal for equal values, and says nothing without the key."""
    if len(key) != KEY_BYTES:
        raise MalformedError(f"a commitment key of {len(key)} bytes, expected {KEY_BYTES}")
    return Digest(hmac.digest(key, role.encode() + b"\x00" + value, hashlib.sha256))


@dataclass(frozen=True, slots=True)
class Commitment:
    """Bound to one value under one key."""

    KIND: ClassVar[str] = "commitment/v1"
    mac: Digest
    key: Digest

    @classmethod
    def make(cls, role: Role, value: bytes, key: bytes) -> Self:
        """Commit to `value`."""
        return cls(tag(role, value, key), key_digest(key))

    def check_key(self, key: bytes) -> None:
        """Raises CommitmentBrokenError unless `key` is the key of this commitment."""
        if key_digest(key) != self.key:
            raise CommitmentBrokenError("the key is not the one that the commitment names")

    def opens_to(self, role: Role, value: bytes, key: bytes) -> bool:
        """Whether `value` is what was committed. Raises CommitmentBrokenError if the key is another one."""
        self.check_key(key)
        return hmac.compare_digest(tag(role, value, key).value, self.mac.value)
