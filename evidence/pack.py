"""The evidence pack: one file that holds all that a stranger needs, besides the root keys that they trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .dsse import Envelope
from .manifest import Manifest


@dataclass(frozen=True, slots=True)
class Revealed:
    """A committed value and its key: whoever holds both can show what was committed."""

    KIND: ClassVar[str] = "revealed/v1"
    value: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What the holder of the opening chooses to show. Each part proves itself; none is needed for the verdict."""

    KIND: ClassVar[str] = "disclosure/v1"
    input: Revealed | None
    output: Revealed | None
    answer: Revealed | None


@dataclass(frozen=True, slots=True)
class Pack:
    """Every document of one finished case. Nothing in it is true until verify() has returned."""

    KIND: ClassVar[str] = "pack/v1"
    rosters: tuple[Envelope, ...]
    receipt: Envelope
    manifest: Manifest
    case: Envelope
    ballot_list: Envelope
    ballots: tuple[Envelope, ...]
    vote_list: Envelope
    votes: tuple[Envelope, ...]
    attestation: Envelope
    summary: Envelope
    disclosure: Disclosure | None
