"""Signed notes: text, and lines of signatures under it (c2sp.org/signed-note).

A key is known by its name and four bytes that are no more than a hint: who reads a note has the keys that it
trusts, and looks for their signatures. Others' are left alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from ..encoding import MalformedError
from ..keys import Algorithm, PublicKey, SignatureRefusedError, SigningKey

MAX_BYTES: Final = 256 * 1024
MAX_SIGNATURES: Final = 64  # a note must be taken with 16
KEY_ID_BYTES: Final = 4
_LINE: Final = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


class KeyType(IntEnum):
    """What a signature is of: the byte that goes into the key's id."""

    ED25519 = 0x01  # the text itself
    COSIGNATURE = 0x04  # c2sp.org/tlog-cosignature, Ed25519
    COSIGNATURE_ML_DSA_44 = 0x06  # c2sp.org/tlog-cosignature


_ALGORITHMS: Final = {
    KeyType.ED25519: Algorithm.ED25519,
    KeyType.COSIGNATURE: Algorithm.ED25519,
    KeyType.COSIGNATURE_ML_DSA_44: Algorithm.ML_DSA_44,
}


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line under a note. `value` is what follows the key's id."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier's key: it signs under this name."""

    name: str
    type: KeyType
    key: PublicKey

    def __post_init__(self) -> None:
        check_name(self.name)
        if _ALGORITHMS[self.type] is not self.key.algorithm:
            raise MalformedError(f"a key of {self.key.algorithm} does not sign notes of type {self.type:#04x}")

    @classmethod
    def ed25519(cls, name: str, key: PublicKey) -> Self:
        """A key that signs the text itself."""
        return cls(name, KeyType.ED25519, key)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256( name ‖ 0x0A ‖ type ‖ key )."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.key.value).digest()[:KEY_ID_BYTES]

    def verify(self, signature: NoteSignature, text: str) -> None:
        """Raises SignatureRefusedError unless this key, of type ED25519, signed the text."""
        if self.type is not KeyType.ED25519:
            raise SignatureRefusedError(f"{self.name} signs checkpoints, and not notes of any text")
        self.key.verify(signature.value, text.encode())

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.type]) + self.key.value).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key ("vkey"). Raises MalformedError."""
        name, _, rest = text.partition("+")
        material = _base64(rest.partition("+")[2])
        try:
            kind = KeyType(material[0])
        except (ValueError, IndexError) as error:
            raise MalformedError("a verifier key of a type that is not known here") from error
        key = cls(name, kind, PublicKey(_ALGORITHMS[kind], material[1:]))
        if str(key) != text:
            raise MalformedError("a verifier key is written as NAME+ID+KEY")
        return key


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and who signed it. Nothing in it is true until a signature was verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or not self.signatures:
            raise MalformedError("a note is lines of text, and a signature")
        if any(ord(character) < 0x20 and character != "\n" for character in self.text):
            raise MalformedError("a note has a control character")
        if len(self.signatures) > MAX_SIGNATURES:
            raise MalformedError(f"a note of more than {MAX_SIGNATURES} signatures")

    def to_bytes(self) -> bytes:
        """The note as it is written."""
        return "".join((self.text, "\n", *map(str, self.signatures))).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a note strictly: what is read is written again as the same bytes. Raises MalformedError."""
        if len(data) > MAX_BYTES:
            raise MalformedError(f"a note of more than {MAX_BYTES} bytes")
        try:
            text, separator, lines = data.decode().rpartition("\n\n")
        except UnicodeDecodeError as error:
            raise MalformedError("a note is not UTF-8 text") from error
        if not separator or not lines.endswith("\n"):
            raise MalformedError("a note has no signatures under a blank line")
        note = cls(text + "\n", tuple(_signature(line) for line in lines[:-1].split("\n")))
        if note.to_bytes() != data:
            raise MalformedError("a note is not in its canonical form")
        return note

    def signature_by(self, key: NoteKey) -> NoteSignature | None:
        """What stands there as this key's signature; None if nothing does. Raises MalformedError if there are two."""
        found = [each for each in self.signatures if (each.name, each.key_id) == (key.name, key.key_id)]
        if len(found) > 1:
            raise MalformedError(f"a note is signed twice in the name of {key.name}")
        return found[0] if found else None


def sign_note(text: str, name: str, key: SigningKey) -> NoteSignature:
    """Sign a text with an Ed25519 key under a name."""
    return NoteSignature(name, NoteKey.ed25519(name, key.public).key_id, key.sign(text.encode()))


def check_name(name: str) -> None:
    """Raises MalformedError for what cannot be the name of a key: empty, no UTF-8, or with spaces or a plus."""
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 or "\ud800" <= c <= "\udfff" for c in name):
        raise MalformedError(f"{name[:40]!r} cannot be the name of a key")


def _signature(line: str) -> NoteSignature:
    match = _LINE.fullmatch(line)
    if match is None:
        raise MalformedError("a line under a note is no signature")
    check_name(match[1])
    value = _base64(match[2])
    if len(value) <= KEY_ID_BYTES:
        raise MalformedError("a signature under a note is too short")
    return NoteSignature(match[1], value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("a note or key is not in base64") from error
