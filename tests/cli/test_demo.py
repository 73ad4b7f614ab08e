"""The demonstration does what the README says, and leaves behind what the README checks."""

from __future__ import annotations

import json
import stat

from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import Receipt
from reperform.tests.cli.conftest import Demo
from reperform.tests.cli.run import refused, reperform


def test_it_decides_every_application_and_reaches_the_three_verdicts(demo: Demo) -> None:
    assert demo.printed.keys() == {"decisions", "verdicts", "verified", "forgeries", "seconds"}
    assert demo.printed["decisions"] == 1989
    assert demo.printed["verdicts"] == [
        {"case": "upheld", "verdict": "UPHELD"},
        {"case": "refuted-one-ulp", "verdict": "REFUTED"},
        {"case": "refuted-edited", "verdict": "REFUTED"},
    ]
    assert demo.printed["verified"] is True


def test_every_forgery_is_refused_for_its_own_reason(demo: Demo) -> None:
    reasons = {forgery["name"]: forgery["reason"] for forgery in demo.printed["forgeries"]}
    assert all(forgery["refused"] is True for forgery in demo.printed["forgeries"])
    assert "carries 1 of 2 needed root signatures" in reasons["a roster with a missing signature"]
    assert "whose role is operator" in reasons["a vote from the bank's own node"]
    assert "the votes are not those on the closed list" in reasons["the votes against the bank left out"]
    assert "about another receipt" in reasons["another decision's receipt"]
    assert len(set(reasons.values())) >= 5


def test_a_receipt_for_every_decision_is_left_behind(demo: Demo) -> None:
    paths = sorted((demo.folder / "receipts").iterdir())
    receipts = [from_bytes(Envelope, path.read_bytes()).parse(Receipt) for path in paths]
    assert [receipt.sequence for receipt in receipts] == list(range(1989))
    assert len({receipt.decision for receipt in receipts}) == 1989


def test_the_readme_line_verifies_the_upheld_pack(demo: Demo) -> None:
    done = reperform("verify", "demo/packs/upheld.pack", "--roots", "demo/roots.json", at=demo.home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("UPHELD: ")


def test_a_refuted_pack_names_the_models_own_answer_and_exits_with_one(demo: Demo) -> None:
    pack = "demo/packs/refuted-edited.pack"
    done = reperform("verify", pack, "--roots", "demo/roots.json", "--json", at=demo.home)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "REFUTED"
    assert report["claimed"].startswith("decline")
    assert report["answer"].startswith("approve")
    assert {finding["finding"] for finding in report["findings"]} == {"MISMATCH"}


def test_one_ulp_in_one_weight_is_told_by_the_last_bits_of_the_answer(demo: Demo) -> None:
    pack = "demo/packs/refuted-one-ulp.pack"
    done = reperform("verify", pack, "--roots", "demo/roots.json", "--json", at=demo.home)
    report = json.loads(done.stdout)
    claimed, answer = (text.partition("bits ")[2].rstrip(")") for text in (report["claimed"], report["answer"]))
    assert 0 < abs(int(claimed, 16) - int(answer, 16)) < 16


def test_the_forged_packs_that_are_left_behind_are_refused_again(demo: Demo) -> None:
    forged = sorted((demo.folder / "forgeries").iterdir())
    assert len(forged) == len(demo.printed["forgeries"])
    for path in forged:
        refused(reperform("verify", path, "--roots", demo.folder / "roots.json", at=demo.home))


def test_every_private_file_is_closed_to_others(demo: Demo) -> None:
    private = [*demo.folder.rglob("*.key"), *demo.folder.rglob("*.decision"), *demo.folder.rglob("node.sqlite*")]
    assert len(private) > 15
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)


def test_it_never_overwrites_a_folder_that_is_not_its_own(demo: Demo) -> None:
    (demo.home / "mine").mkdir(exist_ok=True)
    (demo.home / "mine" / "thesis.txt").write_text("years of work")
    assert "was not made by this command" in refused(reperform("demo", "--out", "mine", at=demo.home))
    assert (demo.home / "mine" / "thesis.txt").read_text() == "years of work"
