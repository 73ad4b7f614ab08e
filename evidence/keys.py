"""Signing keys: Ed25519 (RFC 8032), read strictly, and ML-DSA-44 (FIPS 204).

`cryptography` accepts Ed25519 public keys of low order and in non-canonical encodings; one of them verifies
a fixed signature for *every* message, and two encodings of one key could be counted as two voters. So a
public key is read only if it is the canonical encoding of a point of the prime-order subgroup.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from .digest import Digest, Domain, digest
from .edwards25519 import check_prime_order
from .encoding import MalformedError, encode
from .errors import ReperformError


class SignatureRefusedError(ReperformError):
    """A signature that does not verify."""


class Algorithm(StrEnum):
    """Signature algorithms."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"


_PUBLIC_BYTES = {Algorithm.ED25519: 32, Algorithm.ML_DSA_44: 1312}  # RFC 8032 §5.1.5; FIPS 204 table 2

# Parties look at the same documents whenever something is added to them. So many good signatures are remembered,
# over messages of so many bytes at most.
MAX_REMEMBERED: Final = 2**13
MAX_REMEMBERED_BYTES: Final = 2**14


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key in its one canonical form. Equal keys have equal bytes."""

    KIND: ClassVar[str] = "public-key/v1"
    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != _PUBLIC_BYTES[self.algorithm]:
            expected = _PUBLIC_BYTES[self.algorithm]
            raise MalformedError(f"an {self.algorithm} public key of {len(self.value)} bytes, expected {expected}")
        if self.algorithm == Algorithm.ED25519:  # not `is`: an equal text must not skip the check
            check_prime_order(self.value)

    @property
    def key_id(self) -> Digest:
        """The name of this key in signatures and documents."""
        return _key_id(self)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises SignatureRefusedError unless `signature` is this key's over `message`."""
        (_verify_once if len(message) <= MAX_REMEMBERED_BYTES else _verify)(self, signature, message)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ed25519:<hex>`, as `str` writes it."""
        name, _, value = text.partition(":")
        try:
            key = cls(Algorithm(name), bytes.fromhex(value))
        except ValueError as error:
            raise MalformedError("a public key is written as ed25519:<hexadecimal digits>") from error
        if str(key) != text:
            raise MalformedError("a public key is written in lower-case hexadecimal digits")
        return key


def _verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    try:
        match key.algorithm:
            case Algorithm.ED25519:
                Ed25519PublicKey.from_public_bytes(key.value).verify(signature, message)
            case Algorithm.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(key.value).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureRefusedError(f"the signature by key {key.key_id.short()} does not verify") from error


_verify_once = lru_cache(maxsize=MAX_REMEMBERED)(_verify)  # what raises is not remembered


@lru_cache(maxsize=4096)
def _key_id(key: PublicKey) -> Digest:
    return digest(Domain.PUBLIC_KEY, encode([str(key.algorithm), key.value]))


class SigningKey:
    """A private key. It signs, it names its public half, and it never shows itself."""

    __slots__ = ("private", "public")

    def __init__(self, private: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        self.private = private
        algorithm = Algorithm.ED25519 if isinstance(private, Ed25519PrivateKey) else Algorithm.ML_DSA_44
        self.public = PublicKey(algorithm, private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id.short()})"

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> Self:
        """A new key from the operating system's randomness."""
        match algorithm:
            case Algorithm.ED25519:
                return cls(Ed25519PrivateKey.generate())
            case Algorithm.ML_DSA_44:
                return cls(MLDSA44PrivateKey.generate())

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`: 64 bytes (Ed25519) or 2420 bytes (ML-DSA-44)."""
        return self.private.sign(message)
