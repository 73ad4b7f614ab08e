"""Cosignatures: who has seen a checkpoint, and when (c2sp.org/tlog-cosignature).

With Ed25519 the time and the checkpoint's text are signed; with ML-DSA-44, the cosigner's name too.
"""

from __future__ import annotations

import struct
from typing import Final

from ..encoding import MalformedError
from ..keys import Algorithm, PublicKey, SigningKey
from .checkpoint import Checkpoint
from .note import KeyType, NoteKey, NoteSignature

MAX_TIME: Final = 2**63 - 1  # seconds since 1970
_TIME: Final = struct.Struct(">Q")
_TYPES: Final = {
    Algorithm.ED25519: KeyType.COSIGNATURE,
    Algorithm.ML_DSA_44: KeyType.COSIGNATURE_ML_DSA_44,
}


def cosigner_key(name: str, key: PublicKey) -> NoteKey:
    """The verifier's key of a cosigner."""
    return NoteKey(name, _TYPES[key.algorithm], key)


def cosign(checkpoint: Checkpoint, name: str, key: SigningKey, seconds: int) -> NoteSignature:
    """Cosign a checkpoint under a name, at a time in seconds since 1970."""
    if not 0 < seconds <= MAX_TIME:
        raise MalformedError("a cosignature is of a time after 1970")
    signature = key.sign(_message(checkpoint, name, key.public.algorithm, seconds))
    return NoteSignature(name, cosigner_key(name, key.public).key_id, _TIME.pack(seconds) + signature)


def check_cosignature(signature: NoteSignature, checkpoint: Checkpoint, name: str, key: PublicKey) -> int:
    """When this key cosigned this checkpoint, in seconds since 1970.

    Raises SignatureRefusedError if it did not, MalformedError for what is no cosignature.
    """
    if len(signature.value) <= _TIME.size:
        raise MalformedError(f"the cosignature of {name} is too short")
    (seconds,) = _TIME.unpack_from(signature.value)
    if not 0 < seconds <= MAX_TIME:
        raise MalformedError(f"the cosignature of {name} is of no time after 1970")
    key.verify(signature.value[_TIME.size :], _message(checkpoint, name, key.algorithm, seconds))
    return int(seconds)


def _message(checkpoint: Checkpoint, name: str, algorithm: Algorithm, seconds: int) -> bytes:
    if algorithm is Algorithm.ED25519:
        return f"cosignature/v1\ntime {seconds}\n{checkpoint.text()}".encode()
    whole_tree = struct.pack(">QQ", 0, checkpoint.size)
    names = _short(name), _TIME.pack(seconds), _short(checkpoint.origin)
    return b"".join((b"subtree/v1\n\x00", *names, whole_tree, checkpoint.root.value))


def _short(text: str) -> bytes:
    data = text.encode()
    if not 0 < len(data) < 2**8:
        raise MalformedError("a name that is cosigned has 1 to 255 bytes")
    return bytes([len(data)]) + data
