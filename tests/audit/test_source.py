"""The auditor's side of the desk: what was said first counts, and who is away is not who has nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from reperform.consensus.audit.desk import Desk
from reperform.consensus.audit.source import (
    PATIENCE,
    Asked,
    DeskAnswers,
    DeskClient,
    FolderAnswers,
    OperatorAwayError,
    OperatorRefusesError,
)
from reperform.consensus.log.remote import Answer as Reply
from reperform.consensus.log.remote import Remote, RemoteError
from reperform.evidence.audit.answers import Answer, Answers, Broken, NotHeld
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.tests.audit.bank import LEAD, Bank
from reperform.tests.audit.office import Office
from reperform.tests.audit.test_desk import announced, at_desk
from reperform.tests.audit.test_draw import quiet
from reperform.tests.serving import serving
from reperform.tests.world import BANK
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


@pytest.fixture
def office(bank: Bank, tmp_path: Path) -> Office:
    """An audit that draws all 40 decisions."""
    return Office(tmp_path / "office", bank, rate="0.02", confidence="0.99")


def folder_of(office: Office, name: str = "answers") -> FolderAnswers:
    return FolderAnswers(office.at / name, Asked(office.drawn, office.sample, office.bank.rosters, office.lead.sealing))


def signed(office: Office, *answers: Answer, draw: Digest | None = None, by: str = BANK) -> Envelope:
    document = Answers(draw or office.drawn.draw_id, office.bank.name(by), answers)
    return Envelope.sign(document, office.bank.world.rings[by].signers[:1])


@contextmanager
def asking(office: Office, make: Callable[[], Desk] | None = None) -> Iterator[DeskAnswers]:
    with at_desk(make or office.desk) as url:
        yield DeskAnswers(DeskClient(Remote(url)), office.file, folder_of(office))


def test_openings_come_from_the_desk_and_stay(office: Office) -> None:
    with asking(office) as source:
        assert source(office.entries[:5]) == {entry: office.bank.files[entry] for entry in office.entries[:5]}
        assert source(office.entries) == {entry: office.bank.files[entry] for entry in office.entries}
    kept = sorted((office.at / "answers").iterdir())
    assert kept
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    # The desk is gone; what it said is here.
    assert folder_of(office)(office.entries[3:9]) == {e: office.bank.files[e] for e in office.entries[3:9]}


def test_what_is_erased_between_two_runs_was_answered_before(office: Office) -> None:
    entry = office.entries[0]
    with asking(office) as source:
        source([entry])
        office.erase(entry)
        assert source([entry]) == {entry: office.bank.files[entry]}
    assert folder_of(office).add(signed(office, Answer(entry, NotHeld.ERASED)))
    assert folder_of(office)([entry]) == {entry: office.bank.files[entry]}


def test_the_first_answer_counts_also_if_it_is_the_worse_one(office: Office) -> None:
    (entry, other), kept = office.entries[:2], folder_of(office)
    kept.add(signed(office, Answer(entry, NotHeld.ERASED)))
    kept.add(signed(office, *(Answer.opening(office.drawn, each, office.bank.files[each]) for each in (entry, other))))
    erased = NotHeld.ERASED
    for folder in (kept, folder_of(office)):
        assert folder([entry, other]) == {entry: erased, other: office.bank.files[other]}


def test_a_broken_opening_is_a_finding_and_the_others_are_none(office: Office) -> None:
    first, second, third = office.entries[:3]
    kept = folder_of(office)
    kept.add(
        signed(
            office,
            Answer(first, b"junk"),
            Answer.opening(office.drawn, second, office.bank.files[third]),
            Answer.opening(office.drawn, third, office.bank.files[third]),
        )
    )
    assert kept([first, second, third]) == {
        first: Broken("what was handed over does not open, or is no decision file", None),
        second: Broken("the opening is of another receipt", office.bank.files[third]),
        third: office.bank.files[third],
    }


def test_what_the_operator_does_not_mention_is_not_said_to_be_missing(office: Office) -> None:
    kept = folder_of(office)
    kept.add(signed(office, Answer(office.entries[1], NotHeld.ERASED)))
    assert list(kept(office.entries)) == [office.entries[1]]


@pytest.mark.parametrize("wrong", ["stranger", "another draw", "not drawn", "junk"])
def test_a_file_that_answers_nothing_is_named(office: Office, wrong: str) -> None:
    answer = Answer(office.entries[0], NotHeld.ERASED)
    data: Mapping[str, bytes] = {
        "stranger": to_bytes(signed(office, answer, by=LEAD)),
        "another draw": to_bytes(signed(office, answer, draw=Digest(bytes(32)))),
        "not drawn": to_bytes(signed(office, Answer(0, NotHeld.ERASED))),
        "junk": b"junk",
    }
    (office.at / "answers").mkdir()
    (office.at / "answers" / "1.dsse").write_bytes(data[wrong])
    with pytest.raises(Exception, match=r"answers/1\.dsse"):
        folder_of(office)


class Line:
    """A line to a desk that says what the test wants."""

    address = "http://desk.example"

    def __init__(self, read: Callable[[str], bytes | None], status: int = 204, body: bytes = b"") -> None:
        self.reads, self.status, self.body, self.asked, self.now = read, status, body, 0, 0.0

    def read(self, path: str, limit: int) -> bytes | None:
        self.asked += 1
        assert limit
        return self.reads(path)

    def post(self, path: str, body: bytes, limit: int) -> Reply:
        assert path
        assert body
        assert limit
        return Reply(self.status, "text/plain", self.body)

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def client(self) -> DeskClient:
        return DeskClient(self, self.pause, lambda: self.now)  # type: ignore[arg-type]


def away(_: str) -> bytes:
    raise RemoteError("http://desk.example does not answer (ConnectError)")


def test_an_operator_that_is_away_is_asked_for_a_while_and_then_said_to_be_away(office: Office) -> None:
    line = Line(away)
    source = DeskAnswers(line.client(), office.file, folder_of(office))
    with pytest.raises(OperatorAwayError, match=r"does not answer.*; run the same command again") as raised:
        source(office.entries)
    assert "what was answered before is kept" in str(raised.value)
    assert line.now > PATIENCE
    assert 20 < line.asked < 100


def test_an_operator_that_comes_back_is_read_on(office: Office) -> None:
    desk = office.desk()
    desk.take(office.file, quiet)
    fails = iter([True, True, False, True, False, False, False])

    def flaky(path: str) -> bytes:
        if next(fails, False):
            return away(path)
        return to_bytes(desk.answers(office.drawn.draw_id, int(path.partition("=")[2])))

    source = DeskAnswers(Line(flaky).client(), office.file, folder_of(office))
    assert list(source(office.entries)) == office.entries


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"junk", "answers what no desk says"),
        (None, "took the draw, and does not know it"),
    ],
)
def test_a_desk_that_talks_nonsense_is_refused(office: Office, said: bytes | None, cause: str) -> None:
    with pytest.raises(OperatorRefusesError, match=cause):
        DeskAnswers(Line(lambda _: said).client(), office.file, folder_of(office))(office.entries)


def test_a_desk_that_repeats_itself_does_not_keep_the_auditor_for_ever(office: Office) -> None:
    same = to_bytes(signed(office, Answer(office.entries[0], NotHeld.ERASED)))
    with pytest.raises(OperatorRefusesError, match="what was not asked for"):
        DeskAnswers(Line(lambda _: same).client(), office.file, folder_of(office))(office.entries)


def test_a_refusal_is_told_with_its_reason(office: Office) -> None:
    line = Line(lambda _: None, 409, b"this plan was drawn from before, with another draw\n\x1b[31m")
    with pytest.raises(OperatorRefusesError, match=r"refuses \(409\): this plan was drawn from before") as raised:
        DeskAnswers(line.client(), office.file, folder_of(office))(office.entries)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "final"),
    [(400, True), (401, True), (403, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_a_refusal_is_final_and_a_desk_that_is_busy_is_asked_again(status: int, final: bool) -> None:
    asked = 0

    async def answer(_: Request) -> Response:
        nonlocal asked
        asked += 1
        return PlainTextResponse("no\n", status)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    seconds = iter([0.0, PATIENCE / 2, PATIENCE + 1])
    with (
        serving(app) as url,
        pytest.raises(OperatorRefusesError if final else OperatorAwayError, match=rf"answers {status}: no"),
    ):
        DeskClient(Remote(url), lambda _: None, seconds.__next__).answers(Digest(bytes(32)), -1)
    assert asked == (1 if final else 2)


@pytest.mark.parametrize("body", [b"", b"-1\n", b"1_0", b"007\n", b"9" * 40, b"\xd9\xa3"])
def test_an_index_that_is_none_is_refused(office: Office, body: bytes) -> None:
    with pytest.raises(OperatorRefusesError, match="no index"):
        Line(away, 200, body).client().announce(announced(office))
    assert Line(away, 200, b"17\n").client().announce(announced(office)) == 17
