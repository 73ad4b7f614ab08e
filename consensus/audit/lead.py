"""What the lead of an audit signs, step by step. Each is signed once: what stands in the folder is taken again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_bytes

from ...evidence.audit.draw import (
    AuditFile,
    Draw,
    Drawn,
    Freeze,
    Frozen,
    new_reveal,
    open_draw,
    open_freeze,
    open_reveal,
)
from ...evidence.audit.labels import labels_id, open_labels
from ...evidence.audit.plan import (
    NONCE_BYTES,
    Announced,
    Announcement,
    NonceCommitment,
    Plan,
    commit_nonce,
    open_announcement,
    open_commitment,
    open_plan,
    plan_id,
)
from ...evidence.audit.strata import ByAmount, ByOutcome
from ...evidence.digest import Digest
from ...evidence.documents import Document, to_bytes
from ...evidence.dsse import Envelope
from ...evidence.errors import ReperformError
from ...evidence.keyfile import KeyRing
from ...evidence.roster import Roster, named_roster
from ...evidence.tlog.proof import Proof
from ...evidence.tlog.tree import leaf_hash
from ...evidence.witnessed import open_checkpoint
from ..log.prover import Prover
from ..log.publisher import read_published
from ..log.storage import Reader
from .folder import AuditFolder, FolderError


class NotYetError(ReperformError):
    """A step that somebody else must take first. Ask again."""


def commit(plan: Envelope, nonce: bytes, keys: KeyRing, roster: Roster) -> Envelope:
    """An auditor's commitment to its nonce."""
    name, node = plan_id(plan), keys.signing.public.key_id
    commitment = NonceCommitment(name, node, commit_nonce(name, node, nonce))
    return Envelope.sign(commitment, roster.signers(keys))


class Lead:
    """Takes the lead's steps in a folder, with the lead's keys, under these epochs of the roster.

    All steps but the plan, which makes the folder, are for a caller who is alone there (AuditFolder.alone).
    """

    def __init__(self, folder: AuditFolder, keys: KeyRing, rosters: Sequence[Roster], clock: Callable[[], int]) -> None:
        self._folder = folder
        self._keys = keys
        self._rosters = rosters
        self._clock = clock

    def plan(self, plan: Plan) -> None:
        """Sign a plan, and commit to a nonce under it."""
        roster = named_roster(self._rosters, plan.roster)
        envelope = self._sign(plan, roster)
        open_plan(envelope, roster)  # nothing is written of a plan that nobody would take
        self._folder.make()
        with self._folder.alone():
            if not self._folder.has("nonce"):
                self._folder.write_nonce(token_bytes(NONCE_BYTES))
            self._folder.write("plan.dsse", envelope)
            self._commit(plan, roster)

    def join(self, commitment: Envelope) -> None:
        """Take in an auditor's commitment."""
        envelope = self._folder.plan()
        roster = named_roster(self._rosters, envelope.parse(Plan).roster)
        opened = open_commitment(commitment, plan_id(envelope), roster)
        self._folder.write(f"commitments/{opened.node}.dsse", commitment)

    def announce(self) -> Envelope:
        """Join plan and commitments. Raises NotYetError while one is missing."""
        if not self._folder.has("announcement.dsse"):
            envelope = self._folder.plan()
            plan = envelope.parse(Plan)
            self._commit(plan, named_roster(self._rosters, plan.roster))
            commitments = self._folder.commitments()
            here = {commitment.parse(NonceCommitment).node for commitment in commitments}
            if missing := [name for name in plan.auditors if name not in here]:
                raise NotYetError(f"auditor {missing[0].short()} has not committed to a nonce yet")
            announcement = self._sign(
                Announcement(envelope, tuple(commitments)), named_roster(self._rosters, plan.roster)
            )
            open_announcement(announcement, self._rosters)
            self._folder.write("announcement.dsse", announcement)
        return self._folder.announcement()

    def freeze(self, reader: Reader) -> Frozen:
        """Freeze the population as the log shows it. Raises NotYetError until the announcement stands in it."""
        announcement = self.announce()
        if not self._folder.has("freeze.dsse"):
            announced = open_announcement(announcement, self._rosters)
            self._check_time(announced.plan)
            self._check_lead(announced)
            freeze = Freeze(announced.announcement, self._proof(announcement, reader), self._labels(announced))
            envelope = self._sign(freeze, announced.roster)
            open_freeze(envelope, announcement, self._rosters)
            self._folder.write("freeze.dsse", envelope)
        return open_freeze(self._folder.freeze(), announcement, self._rosters)

    def reveal(self) -> None:
        """Reveal the lead's own nonce."""
        node = self._keys.signing.public.key_id
        if not self._folder.has(f"reveals/{node}.dsse"):
            frozen = open_freeze(self._folder.freeze(), self._folder.announcement(), self._rosters)
            self.take(self._sign(new_reveal(frozen, node, self._folder.nonce()), frozen.announced.roster))

    def take(self, reveal: Envelope) -> None:
        """Take in an auditor's nonce."""
        frozen = open_freeze(self._folder.freeze(), self._folder.announcement(), self._rosters)
        self._folder.write(f"reveals/{open_reveal(reveal, frozen).node}.dsse", reveal)

    def draw(self, beacon: bytes | None) -> Drawn:
        """Make the seed. Raises NotYetError while a nonce is missing that may still be revealed."""
        if not self._folder.has("draw.audit"):
            announcement, freeze, now = self._folder.announcement(), self._folder.freeze(), self._clock()
            frozen = open_freeze(freeze, announcement, self._rosters)
            reveals, plan = self._folder.reveals(), frozen.announced.plan
            self._check_time(plan)
            self._check_lead(frozen.announced)
            if len(reveals) < len(plan.auditors) and now < plan.reveal_by:
                raise NotYetError(f"{len(plan.auditors) - len(reveals)} auditors have not revealed their nonce yet")
            draw = self._sign(Draw(frozen.freeze_id, tuple(reveals), beacon, now), frozen.announced.roster)
            file = AuditFile(announcement, freeze, draw)
            open_draw(file, self._rosters)
            self._folder.write("draw.audit", file)
        return open_draw(self._folder.draw(), self._rosters)

    def _commit(self, plan: Plan, roster: Roster) -> None:
        """The lead's own commitment, unless it is here: whoever died after the plan goes on with this."""
        if self._keys.signing.public.key_id == plan.lead and not self._folder.has(f"commitments/{plan.lead}.dsse"):
            self.join(commit(self._folder.plan(), self._folder.nonce(), self._keys, roster))

    def _check_time(self, plan: Plan) -> None:
        if self._clock() >= plan.answer_by:
            raise FolderError("the time for the operator's answers passed before the draw", advice="plan another audit")

    def _check_lead(self, announced: Announced) -> None:
        if self._keys.signing.public.key_id != announced.plan.lead:
            raise FolderError(
                f"the lead of this audit is {announced.lead.name!r}, and this key is not its key",
                advice=f"give the key file of {announced.lead.name!r} with --key",
            )

    def _proof(self, announcement: Envelope, reader: Reader) -> str:
        note = read_published(reader)
        if note is None:
            raise NotYetError("the log has published no checkpoint yet")
        size, leaf = open_checkpoint(note, self._rosters).checkpoint.size, leaf_hash(to_bytes(announcement))
        prover = Prover(reader)
        index = prover.find([leaf], 0, size).get(leaf)
        if index is None:
            raise NotYetError(
                "the announcement does not stand in the log yet",
                advice="the operator appends it with `reperform log append`, and publishes a checkpoint",
            )
        return str(Proof(index, prover.inclusion(index, size), note, None))

    def _labels(self, announced: Announced) -> Digest | None:
        envelope = self._folder.labels()
        if isinstance(announced.plan.strata, ByOutcome | ByAmount):
            if envelope is None:
                raise NotYetError(
                    "the operator has not disclosed to which stratum each decision belongs",
                    advice="it does with `reperform audit label`",
                )
            open_labels(envelope, announced.announcement, announced.roster)
            return labels_id(envelope)
        if envelope is not None:
            raise FolderError("labels were disclosed that the plan does not ask for", advice="remove labels.dsse")
        return None

    def _sign(self, document: Document, roster: Roster) -> Envelope:
        return Envelope.sign(document, roster.signers(self._keys))
