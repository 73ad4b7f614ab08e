"""Root keys: they sign rosters, and are all that a relying party must hold."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from .digest import Digest
from .encoding import MalformedError
from .errors import ReperformError
from .keyfile import KeyRing
from .keys import Algorithm, PublicKey, SigningKey

_NEEDED: Final = {"threshold", "keys"}


class NotARootError(ReperformError):
    """A party that is none of those who sign rosters."""


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The holders of root keys, and how many of them must sign.

    Each holder has one Ed25519 key in `keys`. Where rosters are signed with ML-DSA-44 too, `post_quantum` holds the
    second key of each, in the same order; a holder has signed if all its keys have.
    """

    KIND: ClassVar[str] = "root-keys/v1"
    keys: tuple[PublicKey, ...]
    threshold: int
    post_quantum: tuple[PublicKey, ...] = ()

    def __post_init__(self) -> None:
        if any(key.algorithm is not Algorithm.ED25519 for key in self.keys):
            raise MalformedError("a root holder's first key is not an Ed25519 key")
        if any(key.algorithm is not Algorithm.ML_DSA_44 for key in self.post_quantum):
            raise MalformedError("a root holder's second key is not an ML-DSA-44 key")
        if self.post_quantum and len(self.post_quantum) != len(self.keys):
            raise MalformedError("every root holder has an ML-DSA-44 key, or none has")
        if any(len(set(keys)) != len(keys) for keys in (self.keys, self.post_quantum)):
            raise MalformedError("a root key stands twice")
        if not 1 <= self.threshold <= len(self.keys):
            raise MalformedError(f"a threshold of {self.threshold} of {len(self.keys)} root keys")

    def holders(self) -> tuple[tuple[PublicKey, ...], ...]:
        """The keys of each holder."""
        return tuple(zip(self.keys, self.post_quantum, strict=True)) if self.post_quantum else tuple(zip(self.keys))

    def count(self, signers: Collection[Digest]) -> int:
        """How many holders have signed, if these keys have. Keys are counted by their bytes, not by anybody's names."""
        return sum(all(key.key_id in signers for key in holder) for holder in self.holders())

    def signers(self, ring: KeyRing) -> tuple[SigningKey, ...]:
        """The private keys with which a holder must sign. Raises NotARootError."""
        held = {key.public: key for key in ring.signers}
        for holder in self.holders():
            if holder[0] in held:
                if any(key not in held for key in holder):
                    raise NotARootError(
                        "root keys sign with ML-DSA-44 too, which this key file does not hold",
                        advice="use the key file whose public half stands on the roster",
                    )
                return tuple(held[key] for key in holder)
        raise NotARootError(
            f"key {ring.signing.public.key_id.short()} is not one of the root keys that sign this roster",
            advice="use a root's key file",
        )

    def to_json(self) -> str:
        """The text of a root key file."""
        body: dict[str, Any] = {"threshold": self.threshold, "keys": [str(key) for key in self.keys]}
        if self.post_quantum:
            body["post_quantum"] = [str(key) for key in self.post_quantum]
        return json.dumps(body, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a root key file. Raises MalformedError."""
        try:
            body = json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise MalformedError("root keys are a JSON object with `threshold` and `keys`") from error
        if not isinstance(body, dict) or not _NEEDED <= body.keys() <= _NEEDED | {"post_quantum"}:
            raise MalformedError("root keys are a JSON object with `threshold` and `keys`, maybe `post_quantum`")
        if type(body["threshold"]) is not int:
            raise MalformedError("`threshold` is a whole number")
        second = _keys(body["post_quantum"]) if "post_quantum" in body else ()
        return cls(_keys(body["keys"]), body["threshold"], second)


def _keys(items: object) -> tuple[PublicKey, ...]:
    if not isinstance(items, list) or not all(type(item) is str for item in items):
        raise MalformedError("root keys are lists of texts")
    return tuple(PublicKey.parse(item) for item in items)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise MalformedError("root keys name the same thing twice")
    return dict(pairs)
