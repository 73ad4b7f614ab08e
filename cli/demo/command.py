"""`reperform demo`: one disputed decision, end to end, on real data."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...evidence.documents import to_bytes
from ...evidence.files import FileError, read_document, write_file
from ...evidence.pack import Pack
from ..log_writer import writing
from ..output import BAD_INPUT, AsJson, progress, tell
from ..trust import now, read_rosters
from .forger import forgeries
from .parties import BANK, LOG, DemoError, Stage, reperform

if TYPE_CHECKING:
    from ...executor.service import Decision

MARKER: Final = ".reperform-demo"
DAYS: Final = 1827  # five years: how long the bank keeps its decisions


@dataclass
class Account:
    """What happened, as it is told."""

    quiet: bool
    started: float = field(default_factory=time.monotonic)
    decisions: int = 0
    verdicts: list[dict[str, str]] = field(default_factory=list)
    verified: bool = False
    forgeries: list[dict[str, Any]] = field(default_factory=list)

    def say(self, *lines: str) -> None:
        """Tell the reader."""
        if not self.quiet:
            for line in lines:
                print(line, flush=True)

    def body(self) -> dict[str, Any]:
        """The one JSON object."""
        return {
            "decisions": self.decisions,
            "verdicts": self.verdicts,
            "verified": self.verified,
            "forgeries": self.forgeries,
            "seconds": round(time.monotonic() - self.started, 1),
        }


def demo(
    out: Annotated[Path, typer.Option(help="Where to leave the evidence.")] = Path("demo"),
    as_json: AsJson = False,
) -> None:
    """Show the main job on real data: a declined mortgage, disputed, replayed by three organisations, verified.

    Example: reperform demo
    """
    if out.exists() and not (out / MARKER).exists():
        raise FileError(f"{out} exists and was not made by this command", advice="name another folder with --out")
    account = Account(quiet=as_json)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Built beside and moved into place, so that a demonstration that fails leaves the last good one alone.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as beside:
        stage = Stage(Path(beside) / "demo")
        stage.folder.mkdir()
        write_file(stage.folder / MARKER, b"")
        _perform(stage, account)
        if out.exists():
            shutil.rmtree(out)
        stage.folder.rename(out)
    account.say(
        "",
        f"{out}/ holds the packs, the receipts and the roster. Check them yourself:",
        f"  {_command()} verify {out}/packs/upheld.pack --roots {out}/roots.json",
    )
    tell(as_json, account.body())


def _command() -> str:
    """How this command was called, so that the line that is printed can be run as it stands."""
    return sys.argv[0] if Path(sys.argv[0]).name == "reperform" else "reperform"


@dataclass(frozen=True, slots=True)
class Story:
    """A decision that will be disputed, and how that is introduced."""

    name: str
    decision: Decision
    introduction: str


def _perform(stage: Stage, account: Account) -> None:
    account.say("1. A bank pins a model and decides.")
    model = stage.home(BANK) / "model"
    stories = _decide(stage, account, model)
    with stage.running(model) as witnesses:
        stage.publish(witnesses)
        account.say(f"   every receipt stands in the bank's log, which {len(witnesses)} organisations witnessed")
        for story in stories:
            account.say("", story.introduction)
            path = stage.folder / "applicants" / f"{story.name}.decision"
            write_file(path, to_bytes(story.decision.file), mode=0o600)
            stage.prove(path)
            _dispute(stage, account, story.name, path, model)
    account.verified = True  # _dispute raises for a pack that does not verify
    account.say("", "4. What a forger gets.")
    _forge(stage, account)


def _decide(stage: Stage, account: Account, pinned: Path) -> tuple[Story, ...]:
    """Decide every application honestly, and two of them once more, dishonestly."""
    # torch is imported when there is something to compute.
    from ...examples.mortgage.data import applications
    from ...examples.mortgage.train import record, train_and_pin
    from ...executor.journal import Journal
    from ...executor.model import PinnedModel
    from ...executor.selftest import selftest
    from ...executor.service import Executor, Model
    from ...executor.vault.key import VaultKey
    from ...executor.vault.store import OpenVault
    from .bank import Claiming, Editing, move_one_ulp

    with progress.status("testing this machine's arithmetic; the first time, compiling it, about a minute"):
        selftest()
    with progress.status("taking 1,989 real mortgage applications"):
        inputs = [record(row) for row in applications()]
    with progress.status("training and pinning the scorer"):
        train_and_pin(pinned)
        model = PinnedModel.load(pinned)
    with progress.status("making keys and a signed roster"):
        stage.write_roster()
    roster = read_rosters([stage.roster], stage.roots)[-1].document
    keys = stage.keys(BANK)
    vault, vault_key = stage.home(BANK) / "vault", stage.folder / "elsewhere" / "vault-key"
    vault_key.parent.mkdir()
    reperform("vault", "key", str(vault_key))
    reperform("vault", "init", str(vault), "--days", str(DAYS), "--vault-key", str(vault_key))
    with (
        Journal(stage.home(BANK) / "journal", keys.signing.public.key_id) as journal,
        OpenVault(vault, VaultKey.read(vault_key)) as kept,
        writing(str(stage.log), stage.key(LOG), [roster]) as log,
    ):

        def executor(running: Model) -> Executor:
            return Executor(running, keys, roster, journal=journal, vault=kept, log=log, clock=now)

        with progress.status(f"deciding {len(inputs):,} applications, one receipt each"):
            begun = time.monotonic()
            decisions = executor(model).decide(inputs)
            seconds = time.monotonic() - begun
        with progress.status("the bank prepares two dishonest answers"):
            tampered = move_one_ulp(pinned, stage.home(BANK) / "tampered", inputs, [d.output for d in decisions])
            approved = next(i for i, d in enumerate(decisions) if d.output.decision == "approve")
            claiming = Claiming(model.manifest, model.model_id, tampered.model)
            editing = Editing(model.manifest, model.model_id, model)
            by_ulp = executor(claiming).decide([inputs[tampered.shows_on]])[0]
            by_hand = executor(editing).decide([inputs[approved]])[0]
    for decision in decisions:
        write_file(stage.folder / "receipts" / f"{decision.sequence:06d}.dsse", to_bytes(decision.file.receipt))
    declined = [decision for decision in decisions if decision.output.decision == "decline"]
    account.decisions = len(decisions)
    account.say(
        f"   model {model.model_id.short()}; {len(decisions):,} decisions in {seconds:.1f} s, "
        f"{len(declined)} declined; a receipt for each is in receipts/"
    )
    moved = f"{tampered.tensor} moved by one ulp ({tampered.before:.9g} to {tampered.after:.9g})"
    return (
        Story("upheld", declined[0], "2. A declined applicant disputes. Three organisations decide again, blind."),
        Story(
            "refuted-one-ulp",
            by_ulp,
            f"3. The bank answers another applicant with one weight of {moved}; "
            f"{tampered.changed} of {len(inputs):,} answers change by it.",
        ),
        Story("refuted-edited", by_hand, "   And it edits the answer of a third, from approve to decline."),
    )


def _dispute(stage: Stage, account: Account, name: str, decision: Path, model: Path) -> None:
    """Dispute, tell the verdict, and let a stranger without torch verify it."""
    pack = stage.folder / "packs" / f"{name}.pack"
    with progress.status("the panel replays, commits, votes and signs"):
        result = stage.dispute(decision, model, pack)
    findings = ", ".join(f"{finding['organisation']} {finding['finding']}" for finding in result["findings"])
    account.say(
        f"   {result['verdict']}: {findings}",
        f"   the bank said   {result['claimed']}",
        f"   the model says  {result['answer']}",
    )
    account.verdicts.append({"case": name, "verdict": result["verdict"]})
    begun = time.monotonic()
    done = stage.verify(pack)
    if done.returncode not in (0, 1) or json.loads(done.stdout)["verdict"] != result["verdict"]:
        raise DemoError(f"the pack of case {name} does not verify: {done.stderr.strip()}")
    size, seconds = pack.stat().st_size, time.monotonic() - begun
    account.say(f"   verified offline, without torch, from one file of {size:,} bytes, in {seconds:.1f} s")
    if not name.startswith(result["verdict"].lower()):
        raise DemoError(f"case {name} ended {result['verdict']}")


def _forge(stage: Stage, account: Account) -> None:
    """Put every forgery before the same verification, and tell why it is refused."""
    packs = stage.folder / "packs"
    upheld, refuted = (read_document(packs / f"{name}.pack", Pack) for name in ("upheld", "refuted-edited"))
    for name, data in forgeries(upheld, refuted, stage.keys(BANK)):
        path = stage.folder / "forgeries" / f"{name.replace(' ', '-').replace(chr(39), '')}.pack"
        write_file(path, data)
        done = stage.verify(path)
        reason = done.stderr.strip().removeprefix("error: ")
        account.forgeries.append({"name": name, "refused": done.returncode == BAD_INPUT, "reason": reason})
        account.say(f"   {name}: refused at {reason}")
        if done.returncode != BAD_INPUT:
            raise DemoError(f"the forgery {name!r} was not refused")
