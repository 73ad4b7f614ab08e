"""The desk as its users run it: processes, killed in the middle, and commands with their exit statuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from reperform.consensus.audit.source import Asked, DeskAnswers, DeskClient, FolderAnswers, OperatorAwayError
from reperform.consensus.log.remote import Remote
from reperform.evidence.audit.plan import Examination
from reperform.evidence.documents import to_bytes
from reperform.tests.audit.bank import Bank
from reperform.tests.audit.office import Office
from reperform.tests.audit.test_desk import announced
from reperform.tests.audit.test_panel import Hearing
from reperform.tests.cli.run import refused, reperform
from reperform.tests.witness.running import Processes

OPTIONS = (
    *("--key", "bank.key", "--vault", "vault", "--vault-key", "vault-key"),
    *("--log", "log", "--desk", "desk", "--roster", "roster.dsse", "--roots", "roots.json"),
)


@pytest.fixture
def office(bank: Bank, tmp_path: Path) -> Office:
    """An audit that draws all 40 decisions, and that can be answered in this century."""
    return Office(tmp_path / "office", bank, rate="0.02", confidence="0.99", answer_by=2**42)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    for name in list(processes.started):
        processes.kill(name)


def absolute(office: Office) -> list[str]:
    return [each if each.startswith("--") else str(office.at / each) for each in OPTIONS]


def kept(office: Office) -> FolderAnswers:
    return FolderAnswers(
        office.at / "answers", Asked(office.drawn, office.sample, office.bank.rosters, office.lead.sealing)
    )


def test_a_desk_that_is_killed_is_read_on_when_it_is_back(office: Office, processes: Processes) -> None:
    files = office.bank.files
    url = processes.listen("desk", "audit", "answer", *absolute(office))
    source = DeskAnswers(DeskClient(Remote(url)), office.file, kept(office))
    assert source(office.entries[:1]) == {office.entries[0]: files[office.entries[0]]}
    (office.at / "answers" / f"{0:012d}.dsse").unlink()  # as if the auditor, too, had died before it was on disk
    processes.kill("desk")
    away = DeskClient(Remote(url), pause=lambda _: None, clock=iter([0.0, 1e9]).__next__)
    with pytest.raises(OperatorAwayError):
        DeskAnswers(away, office.file, kept(office))(office.entries)
    url = processes.listen("desk", "audit", "answer", *absolute(office))
    again = DeskAnswers(DeskClient(Remote(url)), office.file, kept(office))
    assert again(office.entries) == {entry: files[entry] for entry in office.entries}
    assert processes.stop("desk") in (0, -15)
    assert "Traceback" not in processes.log("desk")
    for entry in office.entries[:3]:
        assert files[entry].opening.input_key.hex() not in processes.log("desk")


def test_a_desk_enters_announcements_while_it_answers(office: Office, processes: Processes) -> None:
    url = processes.listen("desk", "audit", "answer", *absolute(office), "--log-key", office.at / "log.key")
    size = len(office.bank.world.ledger.entries)
    client = DeskClient(Remote(url))
    announcement = announced(office)
    assert client.announce(announcement) == size
    assert client.announce(announcement) == size
    client.hand_in(office.file)
    assert client.answers(office.drawn.draw_id, -1) is not None


def run(office: Office, *arguments: str) -> subprocess.CompletedProcess[str]:
    return reperform("audit", "answer", *arguments, *OPTIONS, at=office.at)


def test_answers_go_into_a_folder_for_the_lead(office: Office) -> None:
    office.erase(office.entries[5])
    done = run(office, "draw.audit", "--out", "answers", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answers"] == 40
    found = kept(office)(office.entries)
    assert len(found) == 40
    assert sum(found[entry] == office.bank.files[entry] for entry in office.entries) == 39
    shown = reperform("audit", "answered", "--desk", "desk", "--json", at=office.at)
    assert shown.returncode == 0, shown.stderr
    released = json.loads(shown.stdout)["released"]
    assert [each["what"] for each in released].count("erased") == 1
    assert [each["entry"] for each in released] == office.entries


def test_a_draw_that_asks_for_too_much_gets_nothing(office: Office) -> None:
    reason = refused(run(office, "draw.audit", "--out", "answers", "--at-most", "39"))
    assert "draws 40 decisions" in reason
    assert not (office.at / "answers").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["draw.audit"],
        ["--out", "answers"],
        ["draw.audit", "--out", "answers", "--docket", "docket"],
        ["draw.audit", "--listen", "127.0.0.1:0"],
    ],
)
def test_an_audit_is_answered_in_one_way(office: Office, arguments: list[str]) -> None:
    assert "one of three ways" in refused(run(office, *arguments))


def test_an_audit_before_the_panel_is_played_to_its_end_by_commands(tmp_path: Path) -> None:
    """The command files, and is killed; what it began is finished by the next, without docket and panel in between."""
    bank = Bank(tmp_path / "world")
    for number in range(3):
        bank.decide(str(number))
    office = Office(
        tmp_path / "office", bank, rate="0.1", confidence="0.99", examination=Examination.PANEL, answer_by=2**42
    )
    (office.at / "draw.audit").write_bytes(to_bytes(office.file))
    docket = str(bank.world.folder / "docket")
    first = run(office, "draw.audit", "--docket", docket, "--timeout", "1")
    assert first.returncode == 3, first.stderr
    assert "3 cases are still open" in first.stderr
    hearing = Hearing(office)
    assert set(hearing.play(hearing.filings()).values()) == {"UPHELD"}
    last = run(office, "draw.audit", "--docket", docket, "--json")
    assert last.returncode == 0, last.stderr
    assert json.loads(last.stdout) == {"cases": 3, "results": {"UPHELD": 3}}
    assert hearing.cases() == []


def test_a_folder_that_is_no_desk_is_refused(tmp_path: Path) -> None:
    assert "no folder of a desk" in refused(reperform("audit", "answered", "--desk", "x", at=tmp_path))
