"""`reperform audit`: say, with a number, how many decisions can differ from what the pinned model computes."""

from __future__ import annotations

import typer

from .answer import answer, answered
from .draw import draw, freeze, reveal
from .label import label
from .plan import announce, commit, plan
from .report import report
from .run import run
from .schedule import schedule
from .size import size

app = typer.Typer(help="Audit a sample of an operator's decisions.", no_args_is_help=True)
app.command("size")(size)
app.command("plan")(plan)
app.command("commit")(commit)
app.command("announce")(announce)
app.command("freeze")(freeze)
app.command("reveal")(reveal)
app.command("label")(label)
app.command("draw")(draw)
app.command("answer")(answer)
app.command("answered")(answered)
app.command("run")(run)
app.command("report")(report)
app.command("schedule")(schedule)
