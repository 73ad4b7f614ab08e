"""`reperform audit schedule`: conduct audits by the calendar."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...consensus.audit.conduct import Conduct
from ...consensus.audit.folder import AuditFolder
from ...consensus.audit.lead import NotYetError
from ...evidence.audit.plan import Examination as By
from ...evidence.audit.plan import Plan
from ...evidence.encoding import MalformedError
from ...evidence.files import make_folder
from ..log_place import open_reader, read_epochs, told
from ..output import NEGATIVE_VERDICT, UNFINISHED, moment, tell
from ..rounds import JsonLines, alone, start_log
from ..trust import now, read_keys
from .examine import Machines, Openings, Panel, desk_client, examine
from .options import parse_strata
from .plan import Aim, Terms, make_plan
from .report import write_page

if TYPE_CHECKING:
    from ...consensus.audit.schedule.calendar import Run
    from ...consensus.audit.schedule.scheduler import Conducted, Conducts, Scheduler
    from ...consensus.audit.schedule.timetable import Scheduled, Timetable

log = logging.getLogger(__name__)

CALENDAR: Final = "calendar.sqlite"
LOOK: Final = 5.0  # seconds between two looks at the clock and at what is open


def schedule(
    timetable: Annotated[Path, typer.Argument(help="The timetable, a TOML file.", show_default=False)],
    once: Annotated[bool, typer.Option("--once", help="Do what can be done now, and end.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Only say what became of each audit.")] = False,
    as_json: JsonLines = False,
) -> None:
    """Conduct audits when they are due, until stopped. docs/audits.md has the timetable's settings.

    Example: reperform audit schedule timetable.toml

    Killed and started again, it goes on with the same samples. What came due while it was away: the last one is
    conducted, and covers the decisions of those before it, which are told as missed.

    Exit status 0: nothing alarming ended. 1: an assurance was not reached, or an audit missed. 2: refused. 3 (--once):
    nothing alarming, and something is open.
    """
    from ...consensus.audit.schedule.calendar import Calendar
    from ...consensus.audit.schedule.scheduler import Scheduler
    from ...consensus.audit.schedule.timetable import Timetable

    table = Timetable.read(timetable)
    make_folder(table.folder, mode=0o700)
    start_log(as_json)
    if show:
        _show(table, as_json)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with alone(table.folder / ".lock"), Calendar(table.folder / CALENDAR) as calendar:
        alert = _silent if table.webhook is None else partial(_post, table.webhook)
        alarming = _keep(Scheduler(table, calendar, _conducting(table, timetable, stop), alert, now), stop, once)
        waiting = bool(calendar.open_runs())
    raise typer.Exit(NEGATIVE_VERDICT if alarming else UNFINISHED if once and waiting else 0)


def _keep(scheduler: Scheduler, stop: threading.Event, once: bool) -> bool:
    """Whether anything alarming ended."""
    alarming = False
    while not stop.is_set():
        alarming |= any(run.alarming for run in scheduler.step())
        if once:
            break
        stop.wait(LOOK)
    return alarming


def _conducting(table: Timetable, path: Path, stop: threading.Event) -> Conducts:
    keys, rosters = read_keys(table.key), read_epochs(table.roster, table.roots)
    lead, newest = keys.signing.public.key_id, rosters[-1]

    def planned(audit: Scheduled, due: int, first: int) -> Plan:
        aim = Aim(audit.rate, audit.confidence, audit.expected, parse_strata(audit.strata), first, None)
        terms = Terms(f"{audit.name}, {moment(due)}", By.POOL, None, audit.reveal_within, audit.answer_within)
        return make_plan(newest, lead, (), aim, terms, now())

    for audit in table.audit:  # what cannot be planned is told now, and not when it is due
        try:
            planned(audit, now(), 0)
        except MalformedError as error:
            raise MalformedError(f"{path}: audit {audit.name!r}: {error.cause}", advice=error.advice) from error

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise NotYetError("the service stops; it goes on when it is started again")

    from ...consensus.audit.schedule.scheduler import Conducted

    def conduct(audit: Scheduled, folder: Path, first: int, frozen: Callable[[int], None]) -> Conducted:
        here = AuditFolder(folder)
        conducted = Conduct(here, keys, rosters, open_reader(table.log, table.log_ca), now, told)
        if not here.has("plan.dsse"):
            conducted.lead.plan(planned(audit, int(folder.name), first))
        client = desk_client(table.desk, table.desk_ca, pause)
        with here.alone():
            drawn = conducted.draw(None, client)
            frozen(drawn.frozen.range.stop)
            account = examine(
                conducted,
                drawn,
                Openings(client, None),
                Machines(table.models, table.pool, table.workers, table.resource),
                Panel(None, ()),
            )
        report = folder / "report.html"
        write_page(account, report)
        return Conducted(account.figures.reached, report)

    return conduct


def _post(address: str, run: Run, folder: Path) -> None:
    from ...consensus.audit.schedule.webhook import post

    post(address, run, folder)


def _silent(_run: Run, _folder: Path) -> None:
    """Nobody is told but the log."""


def _show(table: Timetable, as_json: bool) -> None:
    from ...consensus.audit.schedule.calendar import Calendar

    with Calendar(table.folder / CALENDAR) as calendar:
        runs = calendar.runs()
    tell(
        as_json,
        {"runs": [{"audit": run.name, "due": run.due, "state": run.state} for run in runs]},
        *(f"{moment(run.due)}  {run.state:12} {run.name}" for run in runs),
    )
