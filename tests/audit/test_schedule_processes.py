"""`reperform audit schedule` as a service: killed at any moment, started twice, and heard by whoever must know."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess, Popen, run

import pytest
from reperform.cli.trust import now
from reperform.consensus.audit.schedule.calendar import Calendar, Run, State
from reperform.consensus.audit.schedule.webhook import WebhookError, post
from reperform.tests.audit.firm import BANK, LOG, TRUST, Firm, quiet
from reperform.tests.audit.firm import listening as address_of
from reperform.tests.audit.hook import listening
from reperform.tests.cli.run import refused

AT_MOST = 100  # seconds
MINUTE, DAY = 60_000, 86_400_000  # milliseconds
ONCE = ("audit", "schedule", "timetable.toml", "--once")
NOBODY = "http://127.0.0.1:1"

# Before each thing that a service makes last.
MOMENTS = (
    "plan.dsse",
    "commitments/",
    "announcement.dsse",
    "freeze.dsse",
    "draw.audit",
    "ledger.sqlite",
    "consensus.audit.ledger:Ledger.settle*20",
    "report.dsse",
    "consensus.audit.schedule.calendar:Calendar.end",
    "consensus.audit.schedule.calendar:Calendar.tell",
)


def minutes_ago(number: int) -> int:
    """A full minute that has passed."""
    return (now() // MINUTE - number) * MINUTE


def cron(due: int) -> str:
    """Every day at this time."""
    when = datetime.fromtimestamp(due / 1000, UTC)
    return f"{when.minute} {when.hour} * * *"


def scheduled(firm: Firm, due: int, desk: str, webhook: str, *, days: int = 0, name: str = "lock") -> None:
    """A timetable with one audit that came due then, after a service that has run until so many days before."""
    (firm.at / "timetable.toml").write_text(
        f'log = "log"\ndesk = "{desk}"\nkey = "auditor.key"\nroster = ["roster.dsse"]\nroots = "roots.json"\n'
        f'models = ["model"]\nfolder = "audits"\nwebhook = "{webhook}"\n'
        f'[[audit]]\nname = "{name}"\ncron = "{cron(due)}"\nrate = "0.01"\nconfidence = "0.999"\n'
    )
    (firm.at / "audits").mkdir(exist_ok=True)
    with Calendar(firm.at / "audits" / "calendar.sqlite") as calendar:
        calendar.since(name, due - days * DAY - 1)


def once(firm: Firm, *moment: str) -> tuple[int, str]:
    """The service takes one step, and may die at a moment; its exit status and its log."""
    module = "reperform.tests.audit.dying" if moment else "reperform.cli.main"
    command = [sys.executable, "-m", module, *moment, *ONCE]
    done = run(command, cwd=firm.at, env=quiet(), capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == ""
    return done.returncode, done.stderr


def shown(firm: Firm) -> list[tuple[int, str]]:
    """The due times and what became of them, as `--show` says it."""
    command = [sys.executable, "-m", "reperform.cli.main", *ONCE[:3], "--show", "--json"]
    done = run(command, cwd=firm.at, capture_output=True, text=True, check=True, timeout=120)
    return [(each["due"], each["state"]) for each in json.loads(done.stdout)["runs"]]


def signed(folder: Path) -> dict[Path, bytes]:
    """What was signed in an audit's folder, and the nonce."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".dsse", ".audit", "")
            and path.is_file()}  # fmt: skip


def test_a_service_that_is_killed_at_any_moment_conducts_each_due_audit_once(firm: Firm) -> None:
    due = minutes_ago(2)
    folder = firm.at / "audits" / "lock" / str(due)
    with firm.desk() as desk, listening(204) as (webhook, heard):
        scheduled(firm, due, desk, webhook)
        before: dict[Path, bytes] = {}
        for moment in MOMENTS:
            status, said = once(firm, moment)
            if status == 3:
                assert "does not stand in the log yet" in said
                firm.publish()
                status, said = once(firm, moment)
            assert status == -signal.SIGKILL, (moment, said)
            there = signed(folder)
            assert before.items() <= there.items()  # nothing is ever said again in other words
            before = there
        assert once(firm)[0] == 0
        assert signed(folder) == before
        # It was heard before the service died, and is told again: better twice than never.
        where = str(folder.relative_to(firm.at))
        assert heard == [{"audit": "lock", "due": due, "state": "reached", "alarm": False, "folder": where}] * 2
        assert shown(firm) == [(due, "reached")]

        scheduled(firm, due + MINUTE, desk, webhook)  # of no decisions: none was made since
        assert once(firm)[0] == 3
        firm.publish()
        status, said = once(firm)
        assert (status, len(heard)) == (1, 3), said
    assert shown(firm) == [(due, "reached"), (due + MINUTE, "not-reached")]
    assert len(list(folder.parent.iterdir())) == 2


def until(process: Popen[str], what: str) -> None:
    """Wait for a line of a service's log."""
    assert process.stderr is not None
    lines: list[str] = []
    watch = threading.Timer(AT_MOST, process.kill)  # a service that never says it fails the test
    watch.start()
    try:
        while not lines or what not in lines[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
    finally:
        watch.cancel()


def test_a_service_waits_for_a_desk_that_is_away_and_is_the_only_one(firm: Firm) -> None:
    due = minutes_ago(1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with listening(204) as (webhook, heard):
        scheduled(firm, due, f"http://{place}", webhook)
        with firm.started(*ONCE[:3]) as service:
            until(service, "asking again")
            assert "in use by another process" in refused(run_once(firm))
            service.send_signal(signal.SIGTERM)  # while it asks
            assert service.wait(AT_MOST) == 0
        with firm.started(*ONCE[:3]) as service:
            until(service, "asking again")
            with firm.started("audit", "answer", "--listen", place, *BANK, *LOG, "--log-key", "log.key",
                              "--desk", "desk", *TRUST) as desk:  # fmt: skip
                address_of(desk)
                until(service, "does not stand in the log yet")
                firm.publish()
                until(service, "ended: reached")
                service.send_signal(signal.SIGTERM)
                assert service.wait(AT_MOST) == 0
    assert [each["state"] for each in heard] == ["reached"]
    assert shown(firm) == [(due, "reached")]


def run_once(firm: Firm) -> CompletedProcess[str]:
    """A step of a service, and everything that it says."""
    command = [sys.executable, "-m", "reperform.cli.main", *ONCE]
    return run(command, cwd=firm.at, capture_output=True, text=True, check=False, timeout=120)


def test_alarms_are_exit_statuses_and_log_lines_and_reach_the_webhook_when_it_is_back(firm: Firm) -> None:
    due = minutes_ago(1)
    with listening(404) as (refusing, _):
        scheduled(firm, due, refusing, NOBODY, days=2)
        for _ in range(2):  # nobody hears, so it is said again
            status, said = once(firm)
            assert status == 1
            assert said.count(" ERROR ") == said.count("ended: missed") == said.count("nobody could be told") == 2
        with listening(204) as (webhook, heard):
            scheduled(firm, due, refusing, webhook)
            assert once(firm)[0] == 1
            status, said = once(firm)
        assert (status, "refuses (404)" in said) == (3, True)  # the last one is open
    assert [(each["due"], each["state"], each["alarm"]) for each in heard] == [
        (due - 2 * DAY, "missed", True), (due - DAY, "missed", True),
    ]  # fmt: skip
    assert shown(firm) == [(due - 2 * DAY, "missed"), (due - DAY, "missed"), (due, "open")]


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ('rate = "0.01"', 'rate = "1 %"', ("timetable.toml: audit 'lock'", "decimal number")),
        ('rate = "0.01"', 'rate = "0.01"\nstrata = "color"', ("timetable.toml: audit 'lock'", "'color'")),
        ('rate = "0.01"', 'rate = "0.01"\nreveal_within = 0', ("timetable.toml: audit 'lock'", "deadlines")),
        ("auditor.key", "nobody.key", ("nobody.key",)),
    ],
)
def test_what_cannot_be_conducted_is_refused_at_the_start(
    firm: Firm, before: str, after: str, reasons: tuple[str, ...]
) -> None:
    scheduled(firm, minutes_ago(1), NOBODY, NOBODY)
    path = firm.at / "timetable.toml"
    path.write_text(path.read_text().replace(before, after))
    said = refused(run_once(firm))
    assert all(reason in said for reason in reasons), said


def test_a_webhook_is_told_what_ended_and_nothing_else(tmp_path: Path) -> None:
    ended = Run("monthly", 5, State.MISSED)
    with listening(204) as (address, heard):
        post(address, ended, tmp_path)
    assert heard == [{"audit": "monthly", "due": 5, "state": "missed", "alarm": True, "folder": str(tmp_path)}]
    with listening(200, {"Content-Encoding": "gzip"}) as (address, heard):  # it is not, and nobody cares
        post(address, ended, tmp_path)
    for answer in (500, 302):
        with listening(answer, {"Location": NOBODY}) as (address, _), pytest.raises(WebhookError, match=str(answer)):
            post(address, ended, tmp_path)
    for wrong in (address, NOBODY, "no address", "ftp://example", "http://[", "http://host:port/"):
        with pytest.raises(WebhookError, match="does not answer"):
            post(wrong, ended, tmp_path)
