"""Altering documents without knowing what they are: every leaf of the decoded structure, one at a time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope, Signature, pre_authentication_encoding
from reperform.evidence.keys import SigningKey

Path = tuple[str | int, ...]

# Closed sets in documents: an alteration that stays inside the set gets further than a typing error.
_TWINS = (
    ("MATCH", "MISMATCH", "INDETERMINATE"),
    ("UPHELD", "REFUTED", "CONTESTED"),
    ("portable-1", "pinned"),
    ("dispute", "audit"),
    ("operator", "replayer", "docket"),
    ("ed25519", "ed25519+ml-dsa-44"),
    ("PASSED", "FAILED"),
)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar of a decoded document, with its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves(item, (*path, key))
    else:
        yield path, value


def others(leaf: Any) -> list[Any]:
    """Values of the same type as `leaf` and different from it."""
    match leaf:
        case None:
            return [bytes(32), "", 0]
        case bool():
            return [not leaf]
        case int():
            return [leaf + 1, max(leaf - 1, 0) if leaf else 2**63, 0 if leaf else 1]
        case str():
            twins = [twin for group in _TWINS if leaf in group for twin in group if twin != leaf]
            return [leaf + "x", leaf[1:], *twins] if leaf else ["x"]
        case bytes():
            if not leaf:
                return [b"x"]
            flipped = [_flip(leaf, 0), _flip(leaf, len(leaf) * 8 - 1)]
            return [*flipped, leaf[:-1], leaf + b"\x00"]
    raise AssertionError(f"no such leaf: {type(leaf)}")


def _flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def altered(value: Any, path: Path, leaf: Any) -> Any:
    """A copy of a decoded document with another leaf at `path`."""
    if not path:
        return leaf
    key, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = altered(value[key], tuple(rest), leaf)
    return copy


def under_key_of(envelope: Envelope, victim: Digest, forger: SigningKey) -> Envelope:
    """Sign the payload with the forger's key, and say that it was the victim's."""
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    return replace(envelope, signatures=(Signature(victim, forger.sign(message)),))


def resigned(envelope: Envelope, *keys: SigningKey) -> Envelope:
    """The same payload, signed by these keys and nobody else."""
    return Envelope.sign_bytes(envelope.payload_type, envelope.payload, keys)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Damage of one kind at one place: what a wire, a disk or a vandal does."""
    at, kind = rng.randrange(len(data)), rng.randrange(6)
    match kind:
        case 0:
            return _flip(data, rng.randrange(len(data) * 8))
        case 1:
            return data[:at] + rng.randbytes(1) + data[at + 1 :]
        case 2:
            return data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at:]
        case 3:
            return data[:at] + data[at + rng.randint(1, 4) :]
        case 4:
            return data[:at]
        case _:
            end = at + rng.randint(1, 64)
            return data[:end] + data[at:end] + data[end:]
