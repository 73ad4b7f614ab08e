"""`reperform audit` as its users run it: processes, files, exit statuses; killed, and out of room."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime

from reperform.cli.trust import now
from reperform.consensus.audit.schedule.calendar import Calendar
from reperform.tests.audit.firm import BANK, DECISIONS, LOG, TRUST, Firm, quiet
from reperform.tests.cli.run import refused, reperform

RUN = ("--log", "log", "--key", "auditor.key", "--model", "model")


def test_two_auditors_draw_and_the_operator_answers_by_files(firm: Firm) -> None:
    firm.plan("november", "--auditor", "union", "--strata", "outcome", "--name", "November")
    theirs = ("--key", "union.key")
    firm.told("audit", "commit", "november/plan.dsse", "--nonce", "nonce", "--out", "commitment.dsse", *theirs)
    early = firm.run("audit", "announce", "november", "--key", "auditor.key")
    assert (early.returncode, "has not committed" in early.stderr) == (3, True)
    firm.announce("november", "commitment.dsse")
    early = firm.run("audit", "freeze", "november", *LOG, "--key", "auditor.key")
    assert (early.returncode, "has not disclosed" in early.stderr) == (3, True)
    label = ("audit", "label", "november/announcement.dsse", *LOG, *BANK, "--out", "labels.dsse")
    counts = firm.told(*label)["counts"]
    assert sum(counts.values()) == DECISIONS
    firm.told("audit", "freeze", "november", *LOG, "--key", "auditor.key", "--labels", "labels.dsse")
    early = firm.run("audit", "draw", "november", *LOG, "--key", "auditor.key")
    assert (early.returncode, "1 auditors have not revealed" in early.stderr) == (3, True)
    papers = ("november/announcement.dsse", "november/freeze.dsse")
    firm.told("audit", "reveal", *papers, "--nonce", "nonce", "--out", "reveal.dsse", *theirs)
    drawn = firm.told("audit", "draw", "november", "reveal.dsse", *LOG, "--key", "auditor.key")
    labels = ("--labels", "labels.dsse")
    assert firm.told("audit", "draw", "--check", "november/draw.audit", *LOG, *labels) == drawn
    assert {each["stratum"]: each["population"] for each in drawn["strata"]} == counts
    assert "these are not the labels" in firm.run("audit", "draw", "--check", "november/draw.audit", *LOG).stderr

    waiting = firm.run("audit", "run", "november", *RUN)
    assert (waiting.returncode, "are not examined yet" in waiting.stderr) == (3, True)
    answer = ("audit", "answer", "november/draw.audit", "--out", "answers", *BANK, *LOG, "--desk", "desk")
    firm.told(*answer, "--labels", "labels.dsse")
    done = firm.told("audit", "run", "november", *RUN, "--answers", "answers", "--html", "november.html")
    assert (done["reached"], done["items"]) == (True, [])
    assert "November" in (firm.at / "november.html").read_text()
    assert firm.told("audit", "report", "november", *LOG) == done
    assert "REACHED" in firm.run("audit", "report", "november").stdout


def test_mistakes_are_told_in_one_line(firm: Firm) -> None:
    firm.plan("november")
    assert "says each thing once" in refused(
        firm.run("audit", "plan", "november", "--rate", "0.02", "--key", "auditor.key")
    )
    assert "does not audit" in refused(firm.run("audit", "plan", "other", "--rate", "0.02", "--key", "bank.key"))
    assert "not of an auditor" in refused(
        firm.run("audit", "commit", "november/plan.dsse", "--nonce", "n", "--out", "c", "--key", "union.key")
    )
    assert "decimal number" in refused(firm.run("audit", "plan", "other", "--rate", "1 %", "--key", "auditor.key"))
    assert "`reperform audit announce`" in refused(firm.run("audit", "draw", "november", *LOG, "--key", "auditor.key"))
    assert not (firm.at / "other").exists()


def interrupted(firm: Firm, folder: str, seconds: float, *options: str) -> int:
    """`audit run`, killed after some time; its exit status."""
    with firm.started("audit", "run", folder, *RUN, *options, *TRUST) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait()


def test_an_audit_that_is_killed_again_and_again_ends_with_the_same_sample_and_figures(firm: Firm) -> None:
    firm.plan("november")
    with firm.desk() as url:
        begun = firm.run("audit", "run", "november", *RUN, "--desk", url)
        assert begun.returncode == 3, begun.stderr
        firm.publish()
        statuses = [interrupted(firm, "november", seconds, "--desk", url) for seconds in (0.8, 1.4, 2.2)]
        assert -signal.SIGKILL in statuses
        done = firm.told("audit", "run", "november", *RUN, "--desk", url)
    assert done["reached"] is True
    assert firm.told("audit", "report", "november", *LOG) == done


def test_a_desk_that_goes_away_in_the_middle_changes_nothing(firm: Firm) -> None:
    firm.plan("november")
    firm.told("audit", "announce", "november", "--key", "auditor.key")
    with firm.desk() as url:
        assert firm.run("audit", "run", "november", *RUN, "--desk", url).returncode == 3
    firm.publish()
    with firm.desk() as url:
        firm.told("audit", "freeze", "november", *LOG, "--key", "auditor.key")
        firm.told("audit", "draw", "november", *LOG, "--key", "auditor.key")
    waiting = firm.run("audit", "run", "november", *RUN)  # nobody is asked, and nothing is counted
    assert (waiting.returncode, f"{DECISIONS} of {DECISIONS} items" in waiting.stderr) == (3, True)
    with firm.desk() as url:
        assert firm.told("audit", "run", "november", *RUN, "--desk", url)["reached"] is True
    shown = reperform("audit", "answered", "--desk", "desk", "--json", at=firm.at)
    released = json.loads(shown.stdout)
    assert len(released["released"]) == DECISIONS


def no_room() -> None:
    """No file may grow beyond 40 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_full_disk_is_told_and_the_audit_goes_on_when_there_is_room(firm: Firm) -> None:
    firm.plan("november")
    firm.announce("november")
    firm.told("audit", "freeze", "november", *LOG, "--key", "auditor.key")
    firm.told("audit", "draw", "november", *LOG, "--key", "auditor.key")
    answer = ("audit", "answer", "november/draw.audit", "--out", "answers", *BANK, *LOG, "--desk", "desk")
    firm.told(*answer)
    command = [sys.executable, "-m", "reperform.cli.main", "audit", "run", "november", *RUN, "--answers", "answers"]
    full = subprocess.run(
        [*command, *TRUST], cwd=firm.at, env=quiet(), capture_output=True, text=True, check=False, preexec_fn=no_room
    )
    assert (full.returncode, "ledger" in full.stderr) == (2, True), full.stderr
    assert firm.told("audit", "run", "november", *RUN, "--answers", "answers")["reached"] is True


def test_a_schedule_conducts_what_is_due_once_killed_or_not(firm: Firm) -> None:
    due = now() // 60_000 * 60_000 - 60_000
    when = datetime.fromtimestamp(due / 1000, UTC)
    (firm.at / "audits").mkdir()
    with Calendar(firm.at / "audits" / "calendar.sqlite") as calendar:
        calendar.since("daily", due - 1)  # the service has run since before
    with firm.desk() as url:
        places = f'log = "log"\ndesk = "{url}"\nkey = "auditor.key"\nroots = "roots.json"\nfolder = "audits"\n'
        audit = f'[[audit]]\nname = "daily"\ncron = "{when.minute} {when.hour} * * *"\nrate = "0.01"\n'
        lists = 'roster = ["roster.dsse"]\nmodels = ["model"]\n'
        (firm.at / "timetable.toml").write_text(places + lists + audit)
        waiting = schedule(firm)
        assert waiting.returncode == 3, waiting.stderr
        firm.publish()
        with firm.started("audit", "schedule", "timetable.toml") as process:
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                second = schedule(firm)
                assert (second.returncode, "in use by another process" in second.stderr) == (2, True)
        done = schedule(firm)
        assert done.returncode == 0, done.stderr
    runs = json.loads(schedule(firm, "--show", "--json").stdout)["runs"]
    assert runs == [{"audit": "daily", "due": due, "state": "reached"}]
    assert (firm.at / "audits" / "daily" / str(due) / "report.html").exists()


def schedule(firm: Firm, *options: str) -> subprocess.CompletedProcess[str]:
    """`audit schedule`, once."""
    command = [
        sys.executable,
        "-m",
        "reperform.cli.main",
        "audit",
        "schedule",
        "timetable.toml",
        *(options or ("--once",)),
    ]
    return subprocess.run(command, cwd=firm.at, env=quiet(), capture_output=True, text=True, check=False, timeout=300)
