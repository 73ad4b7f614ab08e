"""What an operator discloses of its decisions so that they can be drawn in strata: a label each, and nothing else.

It is signed before the seed exists: its digest stands in the freeze. An auditor checks the labels of what is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..digest import Digest, Domain, digest
from ..dsse import Envelope, open_signed
from ..encoding import MalformedError
from ..roster import OrganisationRole, Roster
from .draw import Drawn
from .strata import MAX_STRATA, check_labels


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of the log's entries from `first` on, a byte each: 0 for none, else the number of a name, from 1.

    Signed by one of the operator's nodes.
    """

    KIND: ClassVar[str] = "audit-labels/v1"
    announcement: Digest
    node: Digest
    first: int
    names: tuple[str, ...]
    numbers: bytes

    def __post_init__(self) -> None:
        if list(self.names) != sorted(set(self.names)) or len(self.names) >= MAX_STRATA:
            raise MalformedError(f"there are fewer than {MAX_STRATA} labels, each once, sorted")
        check_labels(self.names)
        if self.first < 0 or max(self.numbers, default=0) > len(self.names):
            raise MalformedError("a label has no name")

    def of(self, entry: int) -> str | None:
        """The label of an entry; None if the operator discloses none."""
        at = entry - self.first
        number = self.numbers[at] if 0 <= at < len(self.numbers) else 0
        return self.names[number - 1] if number else None


def labels_id(envelope: Envelope) -> Digest:
    """How a freeze names disclosed labels."""
    return digest(Domain.AUDIT_LABELS, envelope.payload)


def open_labels(envelope: Envelope, announcement: Digest, roster: Roster) -> Labels:
    """Verify that the operator disclosed these labels for this audit. Raises ReperformError."""
    labels = envelope.parse(Labels)
    _, node = roster.member_as(labels.node, OrganisationRole.OPERATOR)
    if labels.announcement != announcement:
        raise MalformedError("the labels are for another audit")
    return open_signed(envelope, Labels, roster.keys_of(node)).document


def labels_of(drawn: Drawn, envelope: Envelope | None) -> Labels | None:
    """The labels that the frozen population names, if it names any. Raises MalformedError for others, and for none."""
    if drawn.frozen.freeze.labels != (None if envelope is None else labels_id(envelope)):
        raise MalformedError("these are not the labels that the frozen population names", advice="give --labels")
    return None if envelope is None else open_labels(envelope, drawn.frozen.announced.announcement, drawn.roster)
