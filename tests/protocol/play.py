"""Playing a case to its end: everybody acts as long as there is something to do, then a deadline passes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reperform.consensus.conclusion import NoQuorumError, conclude
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Phase, Proceeding, phase
from reperform.evidence.case import Case
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.receipt import DecisionFile
from reperform.evidence.tally import SetAside, Verdict
from reperform.evidence.values import DType, Output, Tensor
from reperform.evidence.verify import Verified, verify
from reperform.replayer.node import Node
from reperform.tests.world import World, model

MAX_ROUNDS: Final = 60
EDITED: Final = Output("approve", (Tensor("score", DType.F32, (1,), b"\x00\x00\x80\x3f"),))


def edited(_: bytes) -> Output:
    """An answer that the model did not give."""
    return EDITED


def another_model(committed: bytes) -> Output:
    """What a model with other weights would say."""
    return model(b"other weights" + committed)


def play(
    world: World, decision: DecisionFile, nodes: Sequence[Node], filer: type[Filer] = Filer
) -> tuple[Proceeding, FiledDecision, Filer]:
    """File a dispute and go on until the case is closed. Fails if it never is."""
    filed = world.filing(decision)
    party = filer(world.docket, world.filer_keys, filed)
    party.file()
    return settle(world, filed.filing_id, party, nodes), filed, party


def settle(world: World, filing: Digest, filer: Filer, nodes: Sequence[Node]) -> Proceeding:
    """Round after round until all is said; when a round changes nothing, the next deadline passes."""
    for _ in range(MAX_ROUNDS):
        before = documents(world)
        proceeding = world.round(filing, filer, nodes)
        if documents(world) != before:
            continue
        where = phase(proceeding, world.now)
        if where in (Phase.FILED, Phase.CLOSED) or (where is Phase.ATTESTING and not proceeding.outstanding()):
            return proceeding  # nobody has anything left to say
        if proceeding.case is None:
            raise AssertionError(f"a proceeding that is {where} without a case")
        world.now = next_deadline(proceeding.case.document, world.now) + 1
    raise AssertionError(f"still not closed after {MAX_ROUNDS} rounds")


def next_deadline(case: Case, now: int) -> int:
    """The deadline that passes next."""
    limits = case.deadlines
    steps = (limits.openings, limits.ballots, limits.release, limits.votes, limits.attestation)
    return min(step for step in steps if step >= now)


def documents(world: World) -> frozenset[Path]:
    """The files of the docket."""
    return frozenset((world.folder / "docket").rglob("*.dsse"))


def verdict_of(proceeding: Proceeding) -> Verdict:
    """What the votes say."""
    return proceeding.tally().verdict


def set_aside(proceeding: Proceeding, world: World, name: str) -> set[SetAside | None]:
    """What became of a party's votes."""
    node = world.rings[name].signing.public.key_id
    return {line.set_aside for line in proceeding.tally().lines if line.vote.node == node}


def verified(world: World, proceeding: Proceeding, filed: FiledDecision, answer: bytes | None = None) -> Verified:
    """What the pack of a concluded case proves to a stranger."""
    return verify(to_bytes(world.pack(proceeding, filed, answer)), world.roots)


def attested(proceeding: Proceeding) -> Verdict | None:
    """The verdict under which a quorum's signatures stand."""
    try:
        return conclude(proceeding).tally.verdict
    except NoQuorumError:
        return None
