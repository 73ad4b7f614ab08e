"""DSSE envelopes (github.com/secure-systems-lab/dsse, v1.0.2): sign bytes, never objects.

The signature covers PAE(payloadType, payload), so what was verified is what is parsed, and a payload of one
type cannot be taken for another. Here an envelope is stricter than the specification in one point: every
signature carries the id of its key, each key signs once, and signatures stand in the order of those ids, so
that one set of signatures has one byte string.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Generic, Self, TypeVar

from .digest import Digest
from .documents import Document, from_bytes, to_bytes
from .encoding import MalformedError
from .keys import MAX_REMEMBERED, MAX_REMEMBERED_BYTES, PublicKey, SignatureRefusedError, SigningKey

D = TypeVar("D", bound=Document)


def payload_type(cls: type[Document]) -> str:
    """The media type of a document's bytes."""
    return f"application/vnd.reperform.{cls.KIND.replace('/', '.')}+msgpack"


def pre_authentication_encoding(kind: str, payload: bytes) -> bytes:
    """PAE of the DSSE protocol: "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Signature:
    """One key's signature."""

    KIND: ClassVar[str] = "signature/v1"
    key_id: Digest
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload of a named type, and who signed it. Nothing in it is true until it was opened."""

    KIND: ClassVar[str] = "envelope/v1"
    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        ids = [signature.key_id for signature in self.signatures]
        if not ids:
            raise MalformedError("an envelope without a signature")
        if ids != sorted(set(ids)):
            raise MalformedError("signatures must stand once each, in the order of their key ids")

    @classmethod
    def sign(cls, document: Document, keys: Iterable[SigningKey]) -> Self:
        """Sign a document's bytes with every key."""
        return cls.sign_bytes(payload_type(type(document)), to_bytes(document), keys)

    @classmethod
    def sign_bytes(cls, kind: str, payload: bytes, keys: Iterable[SigningKey]) -> Self:
        """Sign bytes of a named type with every key."""
        message = pre_authentication_encoding(kind, payload)
        signatures = (Signature(key.public.key_id, key.sign(message)) for key in keys)
        return cls(kind, payload, tuple(sorted(signatures, key=lambda s: s.key_id)))

    def check(self, keys: Mapping[Digest, PublicKey]) -> frozenset[Digest]:
        """Verify every signature; the ids of the keys that signed.

        Raises SignatureRefusedError for a key that is not among `keys` and for a bad signature: in an
        envelope that is used as evidence nothing may stand that nobody vouches for.
        """
        message = pre_authentication_encoding(self.payload_type, self.payload)
        for signature in self.signatures:
            key = keys.get(signature.key_id)
            if key is None:
                raise SignatureRefusedError(f"signed by key {signature.key_id.short()}, which has no say here")
            key.verify(signature.value, message)
        return frozenset(signature.key_id for signature in self.signatures)

    def parse(self, cls: type[D]) -> D:
        """Read the payload as a document of this class, without saying anything about its signatures."""
        if self.payload_type != payload_type(cls):
            raise MalformedError(f"payload of type {self.payload_type!r:.80}, expected {payload_type(cls)}")
        read = _parse_once if len(self.payload) <= MAX_REMEMBERED_BYTES else from_bytes
        document: D = read(cls, self.payload)
        return document

    def to_json(self) -> str:
        """The envelope as other DSSE tools read it."""
        signatures = [{"keyid": str(s.key_id), "sig": base64.b64encode(s.value).decode()} for s in self.signatures]
        payload = base64.b64encode(self.payload).decode()
        return json.dumps({"payloadType": self.payload_type, "payload": payload, "signatures": signatures})


# What is signed is public, and immutable when parsed; what was parsed once need not be again.
_parse_once = lru_cache(maxsize=MAX_REMEMBERED)(from_bytes)


@dataclass(frozen=True, slots=True)
class Signed(Generic[D]):
    """A document, and the keys whose signatures over it were verified."""

    document: D
    signers: frozenset[Digest]
    envelope: Envelope


def open_signed(envelope: Envelope, cls: type[D], keys: Iterable[PublicKey]) -> Signed[D]:
    """Verify every signature, demand one by each of `keys`, then read the payload.

    Raises SignatureRefusedError if a signature is bad, missing, or by somebody else.
    """
    wanted = {key.key_id: key for key in keys}
    signers = envelope.check(wanted)
    missing = wanted.keys() - signers
    if missing:
        raise SignatureRefusedError(f"not signed by key {min(missing).short()}, whose signature is needed")
    return Signed(envelope.parse(cls), signers, envelope)
