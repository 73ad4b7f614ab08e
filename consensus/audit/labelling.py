"""The operator's labels for an audit in strata: what it discloses of each decision, out of its openings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...evidence.audit.labels import Labels
from ...evidence.audit.plan import Announced
from ...evidence.audit.strata import ByAmount, ByOutcome
from ...evidence.digest import Digest
from ...evidence.encoding import MalformedError
from ...evidence.receipt import DecisionFile
from ...evidence.roster import Roster
from ...evidence.tlog.checkpoint import Checkpoint
from ..log.storage import Reader
from .census import Frame, Member, Progress, take_census

# The decision file of a decision's id, if it is kept.
Find = Callable[[bytes], DecisionFile | None]


def make_labels(
    announced: Announced,
    node: Digest,
    find: Find,
    *,
    reader: Reader,
    checkpoint: Checkpoint,
    rosters: Sequence[Roster],
    progress: Progress,
) -> Labels:
    """Labels of what stands in the log now; none for a decision that is not kept any more.

    Raises MalformedError for a plan that asks for none, StorageError.
    """
    plan = announced.plan
    strata = plan.strata
    if not isinstance(strata, ByOutcome | ByAmount):
        raise MalformedError("the plan divides its population by nothing that must be disclosed")
    end = checkpoint.size if plan.end is None else min(plan.end, checkpoint.size)
    labels: dict[int, str] = {}

    def visit(member: Member) -> None:
        file = find(member.receipt.decision)
        if file is not None:
            labels[member.entry] = strata.label(*file.opening.check(member.receipt))

    frame = Frame(range(plan.first, max(end, plan.first)), None, None)
    take_census(reader, checkpoint, rosters, frame, visit=visit, progress=progress)
    names = tuple(sorted(set(labels.values())))
    number = {name: at for at, name in enumerate(names, start=1)}
    numbers = bytes(number[labels[entry]] if entry in labels else 0 for entry in frame.within)
    return Labels(announced.announcement, node, plan.first, names, numbers)
