"""Examining what was drawn, as far as it can be now, with its progress on stderr where somebody watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from ...consensus.audit.conduct import Conduct
from ...consensus.audit.ledger import Ledger
from ...consensus.audit.panel import PanelExamination
from ...consensus.audit.run import Examination, Source
from ...consensus.docket import Docket
from ...evidence.audit.draw import Drawn
from ...evidence.audit.plan import Examination as By
from ...evidence.dsse import Envelope
from ...evidence.encoding import MalformedError
from ...evidence.files import read_document
from ...evidence.manifest import Manifest
from ..output import progress
from ..trust import now

if TYPE_CHECKING:
    from ...consensus.audit.rendering.account import Account
    from ...consensus.audit.source import DeskClient


@dataclass(frozen=True, slots=True)
class Openings:
    """Where openings come from: the operator's desk, or a folder with its answers."""

    desk: DeskClient | None
    folder: Path | None

    @property
    def named(self) -> bool:
        """Whether the operator can be asked; otherwise only what it said before is looked at."""
        return self.desk is not None or self.folder is not None

    def source(self, conduct: Conduct, ledger: Ledger, drawn: Drawn) -> Source:
        """What was answered is kept in the folder. After the plan's time for it, nobody is asked any more."""
        from ...consensus.audit.source import Asked, DeskAnswers, FolderAnswers

        asked = Asked(drawn, ledger.receipts(), conduct.rosters, conduct.keys.sealing)
        kept = FolderAnswers(conduct.folder.path / "answers" if self.folder is None else self.folder, asked)
        if self.desk is None or now() >= drawn.plan.answer_by:
            return kept
        return DeskAnswers(self.desk, conduct.folder.draw(), kept)


@dataclass(frozen=True, slots=True)
class Machines:
    """What runs decisions again: pinned models, and where."""

    models: Sequence[Path]
    pool: str
    workers: int | None
    resource: str | None


@dataclass(frozen=True, slots=True)
class Panel:
    """Where the panel's verdicts stand, and the epochs of the roster as they are signed."""

    docket: Docket | None
    rosters: Sequence[Envelope]


def desk_client(address: str, authority: Path | None, pause: Callable[[float], None] = time.sleep) -> DeskClient:
    """The operator's desk at an address; `pause` is called with seconds before it is asked again."""
    from ...consensus.audit.source import DeskClient
    from ...consensus.log.remote import Remote

    return DeskClient(Remote(address, authority, what="the desk's address"), pause)


def examine(conduct: Conduct, drawn: Drawn, openings: Openings, machines: Machines, panel: Panel) -> Account:
    """Go on where it was left; the report. Raises NotYetError while an item is open, ReperformError."""
    from ...consensus.audit.rendering.account import Account

    with conduct.open(drawn) as ledger:
        if ledger.left() and drawn.plan.examination is By.PANEL:
            _by_panel(conduct, ledger, drawn, machines, panel)
        elif ledger.left():
            from ...replayer.pool.place import open_pool

            source = openings.source(conduct, ledger, drawn)
            examination = Examination(ledger, drawn, conduct.folder.evidence, now, asks=openings.named)
            with open_pool(
                machines.pool, machines.models, workers=machines.workers, resource=machines.resource
            ) as replays:
                _watch(ledger, examination.run(source, replays))
        return Account.of(conduct.report(ledger, drawn), drawn)


def _by_panel(conduct: Conduct, ledger: Ledger, drawn: Drawn, machines: Machines, panel: Panel) -> None:
    if panel.docket is None:
        raise MalformedError("the plan has the panel examine", advice="name its docket with --docket")
    manifests = [read_document(path / "manifest.msgpack", Manifest) for path in machines.models]
    examination = PanelExamination(
        ledger=ledger,
        drawn=drawn,
        folder=conduct.folder.evidence,
        clock=now,
        rosters=panel.rosters,
        epochs=conduct.rosters,
        manifests={manifest.model_id: manifest for manifest in manifests},
    )
    _watch(ledger, examination.run(panel.docket))


def _watch(ledger: Ledger, settled: Iterator[int]) -> None:
    with Progress(console=progress, transient=True, disable=not progress.is_terminal) as bar:
        total = ledger.drawn()
        task = bar.add_task("examining", total=total, completed=total - ledger.left())
        for number in settled:
            bar.advance(task, number)
