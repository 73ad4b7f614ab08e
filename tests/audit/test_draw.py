"""The draw: what is refused before the seed exists, and that everybody makes the same one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.audit.folder import FolderError
from reperform.consensus.audit.lead import Lead, NotYetError
from reperform.consensus.audit.population import draw, size_of
from reperform.consensus.log.prover import DamagedError
from reperform.evidence.audit.draw import (
    AuditFile,
    Draw,
    Freeze,
    Reveal,
    freeze_id,
    open_draw,
    open_freeze,
    open_reveal,
)
from reperform.evidence.audit.plan import Announcement, NonceCommitment, open_announcement, plan_id
from reperform.evidence.digest import Digest
from reperform.evidence.documents import Document, from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.roster import RosterRefusedError
from reperform.evidence.tlog.tree import ProofRefusedError
from reperform.evidence.witnessed import NotWitnessedError
from reperform.tests.audit.bank import HOUR, LEAD, SECOND, THIRD, Audit, Bank, Shelf
from reperform.tests.world import BANK, DOCKET


def quiet(entries: Iterable[bytes], _: int) -> Iterator[bytes]:
    """No progress is shown."""
    return iter(entries)


def test_whoever_has_the_documents_and_the_log_draws_the_same(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit", LEAD, SECOND)
    drawn = audit.draw()
    first = draw(bank.shelf(), drawn, bank.rosters, None, quiet)
    bank.decide("77777")  # later decisions are not of the population
    again = open_draw(from_bytes(AuditFile, to_bytes(audit.folder.draw())), bank.rosters)
    second = draw(bank.shelf(), again, bank.rosters, None, quiet)
    assert again == drawn
    assert second == first
    (stratum,) = first.strata
    assert (stratum.population, len(stratum.sample)) == (40, size_of(drawn.plan, 40))
    assert set(stratum.sample) <= set(bank.files)
    assert all(first.receipts[entry] == to_bytes(bank.files[entry].receipt) for entry in stratum.sample)
    assert first.census.abandoned.total() == 1


def test_the_range_of_a_plan_bounds_the_population(bank: Bank, tmp_path: Path) -> None:
    drawn = Audit(bank, tmp_path / "audit", first=10, end=20, rate="0.5").draw()
    (stratum,) = draw(bank.shelf(), drawn, bank.rosters, None, quiet).strata
    assert stratum.population == sum(entry in range(10, 20) for entry in bank.files)
    assert all(entry in range(10, 20) for entry in stratum.sample)


def test_a_population_that_is_not_there_cannot_be_frozen(bank: Bank, tmp_path: Path) -> None:
    for name, changes in {"beyond": {"first": 10**6}, "short": {"end": 10**6}}.items():
        audit = Audit(bank, tmp_path / name, **changes)
        audit.announce()
        with pytest.raises(MalformedError, match="does not have"):
            audit.freeze()


def test_the_seed_depends_on_every_nonce_and_on_the_tree(bank: Bank, tmp_path: Path) -> None:
    seeds = set()
    for number in range(3):
        seeds.add(Audit(bank, tmp_path / f"{number}", LEAD, SECOND).draw().seed)
    assert len(seeds) == 3
    audit = Audit(bank, tmp_path / "late", LEAD, SECOND)
    audit.announce()
    audit.freeze()
    bank.world.now += HOUR
    withheld = audit.lead.draw(None)
    assert [node.name for node in withheld.missing] == [SECOND]
    file = audit.folder.draw()
    complete = Envelope.sign(
        replace(
            file.draw.parse(Draw),
            reveals=tuple(
                sorted((*file.draw.parse(Draw).reveals, *audit.reveals()), key=lambda e: e.parse(Reveal).node)
            ),
        ),
        bank.world.rings[LEAD].signers[:1],
    )
    assert open_draw(replace(file, draw=complete), bank.rosters).seed != withheld.seed


def test_the_draw_waits_for_nonces_as_long_as_they_may_come(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit", LEAD, SECOND, THIRD)
    audit.announce()
    audit.freeze()
    audit.lead.take(next(audit.reveals()))
    with pytest.raises(NotYetError, match="1 auditors have not revealed"):
        audit.lead.draw(None)
    bank.world.now += HOUR
    drawn = audit.lead.draw(None)
    assert [node.name for node in drawn.missing] == [THIRD]
    before = audit.folder.draw()
    for reveal in audit.reveals():  # too late: nothing is drawn again
        audit.lead.take(reveal)
    assert audit.lead.draw(None) == drawn
    assert audit.folder.draw() == before


def test_an_announcement_waits_for_every_commitment(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit", LEAD, SECOND)
    with pytest.raises(NotYetError, match="has not committed"):
        audit.lead.announce()


def test_a_population_is_frozen_only_behind_the_announcement(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit")
    before = bank.shelf()
    audit.announce()
    with pytest.raises(NotYetError, match="does not stand in the log yet"):
        audit.lead.freeze(before)
    audit.freeze()


def test_a_population_that_nobody_witnessed_is_refused(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit")
    audit.announce()
    alone = Shelf(bank.world.ledger.entries, bank.world.ledger.note((), bank.world.now // 1000))
    with pytest.raises(NotWitnessedError):
        audit.lead.freeze(alone)


def test_a_log_that_is_not_the_frozen_one_is_not_drawn_from(bank: Bank, tmp_path: Path) -> None:
    drawn = Audit(bank, tmp_path / "audit").draw()
    entries = [*bank.world.ledger.entries]
    entries[5], entries[6] = entries[6], entries[5]
    other = Shelf(entries, bank.world.ledger.note((), 0))
    with pytest.raises(DamagedError, match="the log is damaged"):
        draw(other, drawn, bank.rosters, None, quiet)


def test_a_key_that_is_not_the_leads_is_told_whose_is_needed(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit", LEAD, SECOND)
    audit.announce()
    other = Lead(audit.folder, bank.world.rings[SECOND], bank.rosters, lambda: bank.world.now)
    needed = f"the lead of this audit is {LEAD!r}, and this key is not its key; give the key file of {LEAD!r}"
    with pytest.raises(FolderError, match=needed):
        other.freeze(bank.shelf())
    audit.freeze()
    with pytest.raises(FolderError, match=needed):
        other.draw(None)
    assert not audit.folder.has("draw.audit")


def test_an_audit_says_each_thing_once(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit")
    with pytest.raises(FolderError, match="says each thing once"):
        audit.lead.plan(bank.plan(name="another"))


@pytest.mark.parametrize("who", [BANK, DOCKET])
def test_operators_and_dockets_do_not_audit(bank: Bank, who: str) -> None:
    plan = bank.plan(who)
    keys = bank.world.rings[who]
    announcement = Announcement(Envelope.sign(plan, keys.signers[:1]), ())
    with pytest.raises(RosterRefusedError, match="does not audit"):
        open_announcement(Envelope.sign(announcement, keys.signers[:1]), bank.rosters)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"rate": "0.0"}, "between 0 and 1"),
        ({"rate": "1.0"}, "between 0 and 1"),
        ({"confidence": "0.7"}, "less than 0.75"),
        ({"rate": "0.10"}, "shortest"),
        ({"rate": "1e-999"}, "shortest"),
        ({"expected": -1}, "expects 0 to"),
        ({"first": 5, "end": 5}, "from `first` up to `end`"),
        ({"reveal_by": 0}, "follow one another"),
        ({"name": "two\nlines"}, "on one line"),
        ({"beacon": ""}, "on one line"),
        ({"auditors": ()}, "one of its auditors"),
    ],
)
def test_plans_that_make_no_sense_are_refused(bank: Bank, changes: dict[str, object], match: str) -> None:
    with pytest.raises(MalformedError, match=match):
        bank.plan(**changes)


Altered = Callable[[Bank, Audit, AuditFile], AuditFile]


def _signed(bank: Bank, who: str, document: Document) -> Envelope:
    return Envelope.sign(document, bank.world.rings[who].signers[:1])


def _another_lead(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    return replace(file, draw=_signed(bank, SECOND, file.draw.parse(Draw)))


def _another_freeze(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    return replace(file, freeze=_signed(bank, LEAD, replace(file.freeze.parse(Freeze), labels=Digest(bytes(32)))))


def _another_announcement(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    plan = _signed(bank, LEAD, bank.plan(LEAD, SECOND, name="a better one"))
    commitments = [
        _signed(bank, who, NonceCommitment(plan_id(plan), bank.name(who), Digest(bytes(32)))) for who in (LEAD, SECOND)
    ]
    commitments.sort(key=lambda each: each.parse(NonceCommitment).node)
    return replace(file, announcement=_signed(bank, LEAD, Announcement(plan, tuple(commitments))))


def _a_nonce_left_out_early(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    draw = file.draw.parse(Draw)
    return replace(file, draw=_signed(bank, LEAD, replace(draw, reveals=draw.reveals[:1])))


def _no_nonce(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    draw = replace(file.draw.parse(Draw), reveals=(), time=bank.world.now + HOUR)
    return replace(file, draw=_signed(bank, LEAD, draw))


def _a_nonce_twice(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    draw = file.draw.parse(Draw)
    return replace(file, draw=_signed(bank, LEAD, replace(draw, reveals=(draw.reveals[0], *draw.reveals))))


def _another_nonce(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    draw = file.draw.parse(Draw)
    reveals = [
        _signed(bank, SECOND, replace(each.parse(Reveal), nonce=bytes(32)))
        if each.parse(Reveal).node == bank.name(SECOND)
        else each
        for each in draw.reveals
    ]
    return replace(file, draw=_signed(bank, LEAD, replace(draw, reveals=tuple(reveals))))


def _a_beacon_nobody_planned(bank: Bank, _: Audit, file: AuditFile) -> AuditFile:
    return replace(file, draw=_signed(bank, LEAD, replace(file.draw.parse(Draw), beacon=b"x")))


@pytest.mark.parametrize(
    ("alter", "error", "match"),
    [
        (_another_lead, SignatureRefusedError, "no say here"),
        (_another_freeze, MalformedError, "from another population"),
        (_another_announcement, MalformedError, "for another announcement"),
        (_a_nonce_left_out_early, MalformedError, "before the time"),
        (_no_nonce, MalformedError, "nothing random"),
        (_a_nonce_twice, MalformedError, "at most one nonce"),
        (_another_nonce, MalformedError, "did not commit to"),
        (_a_beacon_nobody_planned, MalformedError, "beacon"),
    ],
)
def test_altered_draws_are_refused(
    bank: Bank, tmp_path: Path, alter: Altered, error: type[ReperformError], match: str
) -> None:
    audit = Audit(bank, tmp_path / "audit", LEAD, SECOND)
    audit.draw()
    file = audit.folder.draw()
    open_draw(file, bank.rosters)
    with pytest.raises(error, match=match):
        open_draw(alter(bank, audit, file), bank.rosters)


def test_a_proof_for_another_entry_freezes_nothing(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit")
    audit.announce()
    audit.freeze()
    announcement = audit.folder.announcement()
    freeze = audit.folder.freeze().parse(Freeze)
    moved = replace(freeze, proof=freeze.proof.replace("\nindex 4", "\nindex 3"))
    assert moved != freeze
    with pytest.raises(ProofRefusedError):
        open_freeze(_signed(bank, LEAD, moved), announcement, bank.rosters)


def test_a_nonce_is_for_one_population_and_one_auditor(bank: Bank, tmp_path: Path) -> None:
    audits = [Audit(bank, tmp_path / f"{number}", LEAD, SECOND) for number in range(2)]
    for audit in audits:
        audit.announce()
        audit.freeze()
    frozen = open_freeze(audits[1].folder.freeze(), audits[1].folder.announcement(), bank.rosters)
    (theirs,) = audits[0].reveals()
    with pytest.raises(MalformedError, match="another population"):
        open_reveal(theirs, frozen)
    copied = replace(theirs.parse(Reveal), node=bank.name(THIRD), freeze=freeze_id(audits[1].folder.freeze()))
    with pytest.raises(MalformedError, match="did not commit to"):
        open_reveal(_signed(bank, THIRD, copied), frozen)


def test_a_beacon_goes_into_the_seed(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit", beacon="drand quicknet 123")
    audit.announce()
    audit.freeze()
    with pytest.raises(MalformedError, match="beacon"):
        audit.lead.draw(None)
    drawn = audit.lead.draw(b"\x01")
    file = audit.folder.draw()
    other = _signed(bank, LEAD, replace(file.draw.parse(Draw), beacon=b"\x02"))
    assert open_draw(replace(file, draw=other), bank.rosters).seed != drawn.seed


def test_who_copies_anothers_commitment_cannot_open_it(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit", LEAD, SECOND)
    (mine,) = (each for each in audit.folder.commitments() if each.parse(NonceCommitment).node == bank.name(LEAD))
    copied = replace(mine.parse(NonceCommitment), node=bank.name(SECOND))
    audit.lead.join(_signed(bank, SECOND, copied))
    audit.nonces.clear()
    audit.announce()
    audit.freeze()
    frozen = open_freeze(audit.folder.freeze(), audit.folder.announcement(), bank.rosters)
    reveal = Reveal(frozen.freeze_id, bank.name(SECOND), audit.folder.nonce())
    with pytest.raises(MalformedError, match="did not commit to"):
        open_reveal(_signed(bank, SECOND, reveal), frozen)
