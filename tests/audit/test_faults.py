"""Whatever dies, fills up or is damaged: the same sample and the same figures, or a word about what is missing."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen, run
from typing import Any

import pytest
from reperform.consensus.audit.folder import FolderError
from reperform.evidence.roster import Suite
from reperform.tests.audit.bank import HOUR, Audit, Bank
from reperform.tests.audit.firm import BANK, DECISIONS, LOG, TRUST, Firm, listening, quiet
from reperform.tests.cli.run import refused, reperform
from reperform.tests.room import within
from reperform.tests.world import World

RUN = ("audit", "run", "november", *LOG, "--key", "auditor.key", "--model", "model", *TRUST, "--json")
AT_MOST = 100  # seconds
FILES = (*RUN, "--answers", "answers")

# Before the ledger, in the middle of the examination, at its end, and before the report.
MOMENTS = (
    "ledger.sqlite",
    "consensus.audit.ledger:Ledger.settle",
    f"consensus.audit.ledger:Ledger.settle*{DECISIONS // 2}",
    "report.dsse",
)


def command(*arguments: str, dies: str = "") -> list[str]:
    """A command, which may die at a moment (dying.py)."""
    module = ("reperform.tests.audit.dying", dies) if dies else ("reperform.cli.main",)
    return [sys.executable, "-m", *module, *arguments]


def finished(firm: Firm, *arguments: str, dies: str = "", room: int | None = None) -> CompletedProcess[str]:
    """A command that has run to its end, if it came to it. `room`: no file grows beyond so many bytes."""
    return run(
        within(room, command(*arguments, dies=dies)), cwd=firm.at, env=quiet(), capture_output=True, text=True,
        check=False, timeout=AT_MOST,
    )  # fmt: skip


@contextmanager
def running(firm: Firm, *arguments: str, dies: str = "") -> Iterator[Popen[str]]:
    """A command that runs until the block ends."""
    with Popen(
        command(*arguments, dies=dies), cwd=firm.at, env=quiet(), stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def facts(done: CompletedProcess[str]) -> dict[str, Any]:
    """What a report says, but for when it was made. One decision is missing, so the assurance is not reached."""
    assert done.returncode == 1, done.stderr
    body: dict[str, Any] = json.loads(done.stdout)
    return {name: value for name, value in body.items() if name not in ("started", "ended", "signed")}


@pytest.fixture(scope="module")
def drawn(opened: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A firm in which an audit was drawn and answered, an opening was erased, and the report if nothing goes wrong."""
    at = tmp_path_factory.mktemp("drawn") / "firm"
    shutil.copytree(opened, at)
    firm = Firm(at)
    firm.plan("november")
    firm.announce("november")
    firm.told("audit", "freeze", "november", *LOG, "--key", "auditor.key")
    firm.told("audit", "draw", "november", *LOG, "--key", "auditor.key")
    erased = sorted((at / "decisions").iterdir())[7].stem.split("-")[1]
    assert reperform("vault", "erase", "vault", erased, at=at).returncode == 0
    firm.told("audit", "answer", "november/draw.audit", "--out", "answers", *BANK, *LOG, "--desk", "files")
    shutil.copytree(at, at.parent / "calm")
    calm = facts(finished(Firm(at.parent / "calm"), *FILES))
    assert [(item["entry"], item["finding"]) for item in calm["items"]] == [(7, "MISSING")]
    return at, calm


@pytest.fixture
def november(drawn: tuple[Path, dict[str, Any]], tmp_path: Path) -> tuple[Firm, dict[str, Any]]:
    """The test's own, and the report to be expected."""
    shutil.copytree(drawn[0], tmp_path / "firm")
    return Firm(tmp_path / "firm"), drawn[1]


November = tuple[Firm, dict[str, Any]]


def test_an_audit_that_is_killed_again_and_again_finds_the_same(november: November) -> None:
    firm, calm = november
    draw = (firm.at / "november" / "draw.audit").read_bytes()
    for moment in MOMENTS:
        assert finished(firm, *FILES, dies=moment).returncode == -signal.SIGKILL, moment
        assert not (firm.at / "november" / "report.dsse").exists()
    assert facts(finished(firm, *FILES)) == calm
    assert (firm.at / "november" / "draw.audit").read_bytes() == draw
    assert facts(finished(firm, "audit", "report", "november", *LOG, *TRUST, "--json")) == calm


def test_an_audit_without_room_says_so_and_finds_the_same_when_there_is_room(november: November) -> None:
    firm, calm = november
    full = finished(firm, *FILES, room=40_000)
    assert "ledger.sqlite cannot be written" in refused(full)
    assert not (firm.at / "november" / "ledger.sqlite").exists()
    assert finished(firm, *FILES, dies=MOMENTS[2]).returncode == -signal.SIGKILL
    full = finished(firm, *FILES, room=4_000)  # no journal can be written
    assert "ledger.sqlite cannot be used" in refused(full)
    assert finished(firm, *FILES, dies="report.dsse").returncode == -signal.SIGKILL
    full = finished(firm, *FILES, room=100)
    assert "report.dsse cannot be written" in refused(full)
    assert facts(finished(firm, *FILES)) == calm


def test_an_operator_that_dies_in_the_middle_is_asked_again(november: November) -> None:
    firm, calm = november
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    desk = ("audit", "answer", "--listen", place, *BANK, *LOG, "--desk", "desk", *TRUST)
    with running(firm, *desk, dies="consensus.audit.record:Record.accept") as first:
        listening(first)
        with running(firm, *RUN, "--desk", f"http://{place}") as auditing:
            assert first.wait(AT_MOST) == -signal.SIGKILL
            with running(firm, *desk, dies="consensus.audit.record:Record.release") as second:
                assert second.wait(AT_MOST) == -signal.SIGKILL
            with running(firm, *desk):
                out, err = auditing.communicate(timeout=AT_MOST)
    assert facts(CompletedProcess([], auditing.returncode, out, err)) == calm
    shown = reperform("audit", "answered", "--desk", "desk", "--json", at=firm.at)
    assert [each["what"] for each in json.loads(shown.stdout)["released"]].count("opening") == DECISIONS - 1


def test_a_log_that_was_damaged_is_refused_and_draws_nothing(november: November) -> None:
    firm, calm = november
    entries = max((firm.at / "log" / "tile" / "entries").rglob("*.p/*"), key=lambda path: int(path.name))
    sound = entries.read_bytes()
    entries.write_bytes(sound.replace(b"executor", b"Executor", 1))
    check = ("audit", "draw", "--check", "november/draw.audit", *LOG, *TRUST)
    for arguments in (FILES, check):
        assert "log" in refused(finished(firm, *arguments))
    assert not (firm.at / "november" / "ledger.sqlite").exists()
    entries.write_bytes(sound)
    assert facts(finished(firm, *FILES)) == calm


def test_steps_that_are_taken_again_change_no_word_although_signatures_differ(tmp_path: Path) -> None:
    bank = Bank(tmp_path / "bank")
    bank.world = World(tmp_path / "world", witnesses=2, suite=Suite.ED25519_ML_DSA_44)
    bank.decide("1000")
    audit = Audit(bank, tmp_path / "audit")
    (commitment,) = (tmp_path / "audit" / "commitments").iterdir()
    commitment.unlink()  # killed after the plan
    audit.announce()
    for _ in range(2):
        audit.freeze()
    assert audit.lead.draw(None) == audit.lead.draw(None)


def test_what_was_not_drawn_in_time_is_no_deviation_of_the_operator(bank: Bank, tmp_path: Path) -> None:
    audit = Audit(bank, tmp_path / "audit")
    audit.announce()
    bank.world.now += 2 * HOUR
    with pytest.raises(FolderError, match="passed before the draw"):
        audit.freeze()
    bank.world.now -= 1
    audit.freeze()
    bank.world.now += 1
    with pytest.raises(FolderError, match="passed before the draw"):
        audit.lead.draw(None)
