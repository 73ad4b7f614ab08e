"""A population counted before the draw, and drawn from after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...evidence.audit.attributes import sample_size
from ...evidence.audit.draw import Drawn
from ...evidence.audit.labels import Labels
from ...evidence.audit.plan import Plan
from ...evidence.audit.sampling import Sampler, Stratum
from ...evidence.roster import Roster
from ...evidence.tlog.checkpoint import Checkpoint
from ..log.storage import Reader
from .census import Census, Frame, Member, Progress, take_census


@dataclass(frozen=True, slots=True)
class Population:
    """What was drawn: strata with their samples, the receipts of the samples by entry, and what else was read."""

    strata: tuple[Stratum, ...]
    receipts: Mapping[int, bytes]
    census: Census


def size_of(plan: Plan, population: int | None) -> int:
    """How many decisions of a stratum of this size the plan has drawn; None: of one that is not counted."""
    return sample_size(plan.tolerable, plan.assurance, expected=plan.expected, population=population)


def count(
    reader: Reader, checkpoint: Checkpoint, rosters: Sequence[Roster], frame: Frame, progress: Progress
) -> Counter[str]:
    """How many decisions each stratum has now. Raises StorageError."""
    counted = Counter[str]()

    def visit(member: Member) -> None:
        counted[member.stratum] += 1

    take_census(reader, checkpoint, rosters, frame, visit=visit, progress=progress)
    return counted


def draw(
    reader: Reader, drawn: Drawn, rosters: Sequence[Roster], labels: Labels | None, progress: Progress
) -> Population:
    """Draw the sample that follows from the seed. Raises StorageError, MalformedError."""
    sampler, held = Sampler(drawn.seed, size_of(drawn.plan, None)), dict[int, bytes]()

    def visit(member: Member) -> None:
        held[member.entry] = member.data
        out = sampler.take(member.entry, member.stratum)
        if out is not None:
            del held[out]

    frame, checkpoint = Frame(drawn.frozen.range, drawn.plan.strata, labels), drawn.frozen.witnessed.checkpoint
    census = take_census(reader, checkpoint, rosters, frame, visit=visit, progress=progress)
    strata = sampler.drawn(lambda population: size_of(drawn.plan, population))
    return Population(strata, {entry: held[entry] for stratum in strata for entry in stratum.sample}, census)
