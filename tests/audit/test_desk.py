"""The operator's desk: an opening leaves for what a proper draw names, and what left is on record."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from reperform.cli.audit.answer import entering
from reperform.consensus.audit.answers import Holdings
from reperform.consensus.audit.desk import Desk, Enter, NotAnAuditError, UnknownDrawError, parse_position
from reperform.consensus.audit.lead import commit
from reperform.consensus.audit.record import FILE, OPENING, PERIOD, NotAnsweredError, Record
from reperform.consensus.audit.service import MAX_FILE, Service, create_app
from reperform.consensus.log.storage import StorageError
from reperform.consensus.service.quota import Buckets
from reperform.evidence.audit.answers import Answers, NotHeld, open_answers
from reperform.evidence.audit.draw import AuditFile, Draw
from reperform.evidence.audit.plan import Announcement, Examination
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.roster import Roster
from reperform.evidence.tlog.tiles import MAX_ENTRY
from reperform.tests.audit.bank import HOUR, LEAD, SECOND, Audit, Bank
from reperform.tests.audit.office import Office
from reperform.tests.audit.test_draw import quiet
from reperform.tests.audit.test_labels import Stratified, labels_of
from reperform.tests.serving import serving
from reperform.tests.world import BANK, World


@pytest.fixture
def office(bank: Bank, tmp_path: Path) -> Office:
    """An audit that draws all 40 decisions."""
    return Office(tmp_path / "office", bank, rate="0.02", confidence="0.99")


def at_desk(make: Callable[[], Desk], enter: Enter | None = None) -> AbstractContextManager[str]:
    """The address of a desk in a thread of the test."""
    return serving(create_app(Service(make, enter, Buckets(10**6))))


def said(envelope: Envelope) -> dict[int, bytes | NotHeld]:
    return {answer.entry: answer.said for answer in envelope.parse(Answers).answers}


# What is answered.


def test_a_draw_is_answered_page_by_page_to_its_end(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reperform.consensus.audit.answers.MAX_ANSWERS", 16)
    desk, after, pages = office.desk(), -1, []
    assert desk.take(office.file, quiet) == office.drawn
    while answers := open_answers(
        desk.answers(office.drawn.draw_id, after), office.drawn, office.sample, office.bank.rosters
    ):
        pages.append(len(answers))
        after = answers[-1].entry
    assert pages == [16, 16, 8]
    assert after == office.entries[-1]


def test_an_erased_decision_is_said_to_be_erased_and_one_never_kept_not_to_be_kept(office: Office) -> None:
    erased, unknown = office.entries[3], office.entries[7]
    office.erase(erased)
    find, missing = office.holdings().find, office.decision(unknown)
    desk = office.desk(find=lambda decision: NotHeld.NOT_KEPT if decision == missing else find(decision))
    desk.take(office.file, quiet)
    found = said(desk.answers(office.drawn.draw_id, -1))
    assert (found[erased], found[unknown]) == (NotHeld.ERASED, NotHeld.NOT_KEPT)
    assert sum(isinstance(each, bytes) for each in found.values()) == 38
    assert {r.what for r in desk.record.everything() if r.entry == erased} == {"erased"}


def test_what_left_is_on_record_once_with_the_first_time(office: Office) -> None:
    desk = office.desk()
    desk.take(office.file, quiet)
    assert desk.record.everything() == []
    desk.answers(office.drawn.draw_id, office.entries[37])
    first = office.bank.world.now
    office.bank.world.now += 5
    desk.answers(office.drawn.draw_id, office.entries[37])
    released = Record(office.at / "desk").everything()  # by another process
    assert [(r.entry, r.what, r.time) for r in released] == [(e, OPENING, first) for e in office.entries[38:]]
    assert {(r.draw, r.lead) for r in released} == {(office.drawn.draw_id, office.bank.name(LEAD))}
    assert (office.at / "desk" / FILE).stat().st_mode & 0o077 == 0


def test_no_opening_stands_in_the_record(office: Office) -> None:
    desk = office.desk()
    desk.take(office.file, quiet)
    desk.answers(office.drawn.draw_id, -1)
    kept = b"".join(path.read_bytes() for path in (office.at / "desk").iterdir())
    for file in office.bank.files.values():
        assert file.opening.input_key not in kept
        assert file.opening.output_key not in kept


# What is refused.


def another_draw(office: Office) -> AuditFile:
    """The same population, drawn a second time with a nonce left out."""
    draw = replace(office.file.draw.parse(Draw), time=office.drawn.draw.time + 1)
    return replace(office.file, draw=Envelope.sign(draw, office.lead.signers[:1]))


def test_a_plan_is_drawn_from_once(office: Office) -> None:
    desk = office.desk()
    desk.take(office.file, quiet)
    with pytest.raises(NotAnsweredError, match="with another draw"):
        desk.take(another_draw(office), quiet)
    assert desk.take(office.file, quiet) == office.drawn


def test_a_draw_that_nobody_handed_in_is_unknown(office: Office) -> None:
    desk = office.desk()
    for name in (office.drawn.draw_id, Digest(bytes(32))):
        with pytest.raises(UnknownDrawError):
            desk.answers(name, -1)


def test_a_draw_by_whom_the_roster_does_not_know_is_refused(office: Office, tmp_path: Path) -> None:
    elsewhere = Bank(tmp_path / "elsewhere")
    for number in range(10):
        elsewhere.decide(str(number))
    other = Audit(elsewhere, tmp_path / "other")
    other.draw()
    with pytest.raises(NotAnAuditError, match="this is no draw: roster"):
        office.desk().take(other.folder.draw(), quiet)
    forged = replace(
        office.file, draw=Envelope.sign(office.file.draw.parse(Draw), office.bank.world.rings[SECOND].signers)
    )
    with pytest.raises(NotAnAuditError, match="has no say here"):
        office.desk().take(forged, quiet)


def test_a_draw_from_another_history_of_the_log_is_refused(office: Office) -> None:
    """The checkpoint may be as good as it likes: what is not the operator's own log names none of its decisions."""
    office.bank.world.ledger = replace(
        office.bank.world.ledger, entries=(*office.bank.world.ledger.entries[:-2], b"another entry")
    )
    split = Audit(office.bank, office.at / "split", rate="0.02", confidence="0.99")
    name = split.draw().draw_id
    with pytest.raises(StorageError):
        office.desk().take(split.folder.draw(), quiet)
    assert office.desk().record.file(name) is None


def test_a_draw_whose_time_is_over_is_refused_and_one_that_was_taken_is_answered_on(office: Office) -> None:
    before = office.desk("in time")
    before.take(office.file, quiet)
    office.bank.world.now += 2 * HOUR + 1
    with pytest.raises(NotAnsweredError, match="has passed"):
        office.desk("too late").take(office.file, quiet)
    assert len(said(before.answers(office.drawn.draw_id, -1))) == 40


def test_no_more_is_drawn_in_a_period_than_the_operator_allows(office: Office) -> None:
    with pytest.raises(NotAnsweredError, match="draws 40 decisions; of 39 in 30 days, 0 are used up"):
        office.desk(at_most=39).take(office.file, quiet)
    office.desk(at_most=40).take(office.file, quiet)
    fresh = Office(office.at / "again", office.bank, rate="0.5")
    count = len(fresh.sample)
    record = Record(office.at / "desk")
    desk = Desk(record, office.bank.rosters, fresh.holdings(), at_most=39 + count, clock=lambda: office.bank.world.now)
    with pytest.raises(NotAnsweredError, match="40 are used up"):
        desk.take(fresh.file, quiet)
    later = office.bank.world.now + PERIOD
    record.accept(fresh.drawn, fresh.file, [], now=later, at_most=39 + count)


def test_a_draw_in_disclosed_strata_needs_what_was_disclosed(bank: Bank, tmp_path: Path) -> None:
    stratified = Stratified(bank, tmp_path / "lead")
    labels = stratified.disclose(labels_of(bank, stratified.announced))
    stratified.audit.freeze()
    stratified.audit.lead.draw(None)
    file, holdings = stratified.audit.folder.draw(), Holdings(
        [bank.world.rings[BANK]], bank.shelf(), lambda _: NotHeld.ERASED
    )  # fmt: skip
    record = Record(tmp_path / "desk")
    without = Desk(record, bank.rosters, holdings, at_most=None, clock=lambda: bank.world.now)
    with pytest.raises(StorageError, match="the labels that this draw names are not at hand"):
        without.take(file, quiet)
    disclosed = replace(holdings, labels=[stratified.audit.folder.announcement(), labels])
    drawn = Desk(record, bank.rosters, disclosed, at_most=None, clock=lambda: bank.world.now).take(file, quiet)
    assert len(said(without.answers(drawn.draw_id, -1))) == 40


def test_a_position_is_an_entry() -> None:
    assert [parse_position(text) for text in ("-1", "0", "17")] == [-1, 0, 17]
    for text in ("", "-2", "+1", "01", " 1", "1_0", "٣", "9" * 30):
        with pytest.raises(MalformedError):
            parse_position(text)


# Over HTTP.


def test_over_http_a_draw_is_handed_in_and_answered(office: Office) -> None:
    with at_desk(office.desk) as url:
        answers = f"{url}/v1/draws/{office.drawn.draw_id}/answers"
        assert httpx.get(answers).status_code == 404
        for _ in range(2):
            assert httpx.post(f"{url}/v1/draws", content=to_bytes(office.file)).status_code == 204
        got = httpx.get(answers, params={"after": office.entries[0]})
        assert got.status_code == 200
        assert list(said(from_bytes(Envelope, got.content))) == office.entries[1:]
        assert said(from_bytes(Envelope, httpx.get(answers, params={"after": 10**6}).content)) == {}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("draws", b"", 400),
        ("draws", b"junk", 400),
        ("draws", bytes(MAX_FILE + 1), 413),
        ("announcements", b"\x80", 400),
        ("announcements", bytes(MAX_ENTRY + 1), 413),
        ("nothing", b"", 404),
    ],
)
def test_hostile_bodies_are_refused(office: Office, path: str, body: bytes, status: int) -> None:
    with at_desk(office.desk, lambda _: pytest.fail("nothing is entered")) as url:
        assert httpx.post(f"{url}/v1/{path}", content=body).status_code == status


@pytest.mark.parametrize("path", ["x", "0" * 64 + "0", "A" * 64, "%2e%2e", "0" * 64 + "?after=-2"])
def test_hostile_names_are_refused(office: Office, path: str) -> None:
    draw, _, query = path.partition("?")
    with at_desk(office.desk) as url:
        assert httpx.get(f"{url}/v1/draws/{draw}/answers?{query}").status_code in (400, 404)


def test_a_second_draw_is_a_conflict_and_a_forged_one_a_bad_request(office: Office) -> None:
    with at_desk(office.desk) as url:
        httpx.post(f"{url}/v1/draws", content=to_bytes(office.file)).raise_for_status()
        second = httpx.post(f"{url}/v1/draws", content=to_bytes(another_draw(office)))
        assert (second.status_code, "another draw" in second.text) == (409, True)
        signed = Envelope.sign(office.file.draw.parse(Draw), office.bank.world.rings[BANK].signers)
        forged = httpx.post(f"{url}/v1/draws", content=to_bytes(replace(office.file, draw=signed)))
        assert (forged.status_code, "has no say here" in forged.text) == (400, True)


class VaultBrokenError(StorageError):
    """A vault that cannot be read."""


def test_what_is_the_operators_own_trouble_is_told_to_nobody(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: bytes) -> NotHeld:
        raise VaultBrokenError("the disk in room 5 is full")

    with at_desk(lambda: office.desk(find=broken)) as url:
        httpx.post(f"{url}/v1/draws", content=to_bytes(office.file)).raise_for_status()
        answer = httpx.get(f"{url}/v1/draws/{office.drawn.draw_id}/answers")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.text == "the operator cannot answer now\n"
    assert "room 5" in caplog.text
    assert office.desk().record.everything() == []


def test_a_sample_that_takes_long_is_asked_for_again_and_drawn_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reperform.consensus.audit.service.PATIENCE", 0.5)
    drawing: list[int] = []

    class Slow(Desk):
        def take(self, *arguments: object) -> object:  # type: ignore[override]
            drawing.append(len(drawing))
            time.sleep(0 if drawing[1:] else 1.5)
            return super().take(*arguments)  # type: ignore[arg-type]

    def make() -> Desk:
        desk = office.desk()
        desk.__class__ = Slow
        return desk

    with at_desk(make) as url, httpx.Client() as client:
        statuses: list[int] = []
        while not statuses or statuses[-1] == 503:
            answer = client.post(f"{url}/v1/draws", content=to_bytes(office.file))
            statuses.append(answer.status_code)
            time.sleep(0.05)
    assert statuses[-1] == 204
    assert len(statuses) > 2
    assert len(drawing) <= 2  # once slowly; who asks when that is done is told so at once


# Announcements.


def announced(office: Office, *auditors: str) -> Envelope:
    audit = Audit(office.bank, office.at / f"next {secrets.token_hex(4)}", *auditors)
    for name, nonce in audit.nonces.items():
        audit.lead.join(commit(audit.folder.plan(), nonce, office.bank.world.rings[name], office.bank.world.roster))
    return audit.lead.announce()


def test_an_announcement_is_entered_into_the_log_once(office: Office) -> None:
    enter = entering(str(office.at / "log"), office.at / "log.key", office.bank.rosters)
    announcement, size = announced(office, LEAD, SECOND), len(office.bank.world.ledger.entries)
    with at_desk(office.desk, enter) as url:
        for _ in range(2):
            answer = httpx.post(f"{url}/v1/announcements", content=to_bytes(announcement))
            assert (answer.status_code, answer.text) == (200, f"{size}\n")
        other = httpx.post(f"{url}/v1/announcements", content=to_bytes(announced(office)))
        assert other.text == f"{size + 1}\n"


def test_only_auditors_announce(office: Office) -> None:
    entered: list[Envelope] = []

    def enter(envelope: Envelope) -> int:
        entered.append(envelope)
        return 7

    desk, good = office.desk(), announced(office)
    for by in (BANK, SECOND):
        forged = Envelope.sign(good.parse(Announcement), office.bank.world.rings[by].signers)
        with pytest.raises(NotAnAuditError, match="this is no announcement of an audit"):
            desk.announce(forged, enter)
    assert entered == []
    assert desk.announce(good, enter) == 7
    assert entered == [good]


def test_who_is_off_the_newest_roster_begins_no_audit(office: Office) -> None:
    world: World = office.bank.world
    newer: Roster = replace(world.roster, epoch=2, previous=world.roster.roster_id)
    desk = Desk(office.desk().record, [world.roster, newer], office.holdings(), at_most=None, clock=lambda: world.now)
    with pytest.raises(NotAnAuditError, match="announced under epoch 2"):
        desk.announce(announced(office), lambda _: 0)
    desk.take(office.file, quiet)  # what was begun before goes on


def test_a_desk_without_the_logs_key_enters_nothing(office: Office) -> None:
    with at_desk(office.desk) as url:
        answer = httpx.post(f"{url}/v1/announcements", content=to_bytes(announced(office)))
        assert (answer.status_code, "does not write to the log" in answer.text) == (404, True)


def test_a_log_that_somebody_else_writes_to_is_tried_again_later(office: Office) -> None:
    enter = entering(str(office.at / "log"), office.at / "log.key", office.bank.rosters)
    with at_desk(office.desk, enter) as url, office.holdings().reader.alone():  # type: ignore[attr-defined]
        answer = httpx.post(f"{url}/v1/announcements", content=to_bytes(announced(office)))
        assert answer.status_code == 503


def test_the_examination_is_not_the_desks_choice(bank: Bank, tmp_path: Path) -> None:
    office = Office(tmp_path / "office", bank, examination=Examination.PANEL)
    desk = office.desk()
    desk.take(office.file, quiet)
    assert said(desk.answers(office.drawn.draw_id, -1)) == {}
