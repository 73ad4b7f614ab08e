"""`reperform audit` as its users run it: processes, files, exit statuses."""

from __future__ import annotations

from reperform.consensus.audit.folder import AuditFolder
from reperform.tests.audit.firm import BANK, DECISIONS, LOG, Firm
from reperform.tests.cli.run import refused

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
    mine, theirs = ("--key", "auditor.key"), ("--key", "union.key")
    aim = ("--rate", "0.02", *mine)
    firm.plan("november")
    assert "says each thing once" in refused(firm.run("audit", "plan", "november", *aim))
    assert "does not audit" in refused(firm.run("audit", "plan", "other", "--rate", "0.02", "--key", "bank.key"))
    assert "decimal number" in refused(firm.run("audit", "plan", "other", "--rate", "1 %", *mine))
    assert "named 'nobody'" in refused(firm.run("audit", "plan", "other", *aim, "--auditor", "nobody"))
    assert not (firm.at / "other").exists()
    commit = ("audit", "commit", "november/plan.dsse", "--nonce", "n", "--out", "c")
    assert "not of an auditor" in refused(firm.run(*commit, *theirs))
    assert "`reperform audit announce`" in refused(firm.run("audit", "draw", "november", *LOG, *mine))
    assert "draw with `reperform audit draw`" in refused(firm.run("audit", "report", "november"))


def test_a_draw_takes_only_what_was_committed_to(firm: Firm) -> None:
    mine, theirs = ("--key", "auditor.key"), ("--key", "union.key")
    for name in ("november", "december"):
        firm.plan(name, "--auditor", "union", "--name", name)
        nonce = ("--nonce", f"{name}.nonce", "--out", f"{name}.commitment")
        firm.told("audit", "commit", f"{name}/plan.dsse", *nonce, *theirs)
    announce = ("audit", "announce", "november")
    assert "has not committed" in refused(firm.run(*announce, *theirs), 3)  # nor does the lead's folder commit for it
    assert "another plan" in refused(firm.run(*announce, "december.commitment", *mine))
    firm.announce("november", "november.commitment")
    firm.told("audit", "freeze", "november", *LOG, *mine)
    reveal = ("audit", "reveal", "november/announcement.dsse", "november/freeze.dsse", "--out", "reveal.dsse")
    assert "not the nonce" in refused(firm.run(*reveal, "--nonce", "december.nonce", *theirs))
    assert "not the nonce" in refused(firm.run(*reveal, "--nonce", "november/nonce", *theirs))
    firm.told(*reveal, "--nonce", "november.nonce", *theirs)
    draw = ("audit", "draw", "november", "reveal.dsse", *LOG)
    assert "--key" in refused(firm.run(*draw))
    assert "the lead of this audit is 'auditor'" in refused(firm.run(*draw, *theirs))
    assert not (firm.at / "november" / "draw.audit").exists()
    firm.told(*draw, *mine)


def test_one_command_at_a_time_takes_steps_of_an_audit(firm: Firm) -> None:
    firm.plan("november")
    firm.announce("november")
    key = ("--key", "auditor.key")
    steps = {
        "plan": ("plan", "november", "--rate", "0.01", "--confidence", "0.999", *key),
        "announce": ("announce", "november", *key),
        "freeze": ("freeze", "november", *LOG, *key),
        "draw": ("draw", "november", *LOG, *key),
        "run": ("run", "november", *LOG, *key, "--model", "model", "--answers", "answers"),
    }
    here = sorted((firm.at / "november").iterdir())
    with AuditFolder(firm.at / "november").alone():
        for step in steps.values():
            done = firm.run("audit", *step)
            assert "another command of the audit in november is at work; wait for its end" in refused(done), step
    assert sorted(path for path in (firm.at / "november").iterdir() if path.name != "lock") == [
        path for path in here if path.name != "lock"
    ]
    for name in ("freeze", "draw"):
        assert firm.run("audit", *steps[name]).returncode == 0
