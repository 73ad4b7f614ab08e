"""What several steps of an audit are given, and how they show their progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ...evidence.audit.strata import ByAmount, ByModel, ByOutcome, Strata
from ...evidence.encoding import MalformedError
from ...evidence.roster import Node, Roster

Folder = Annotated[Path, typer.Argument(help="The lead's folder of this audit.", show_default=False)]
Rate = Annotated[str, typer.Option(help="The tolerable rate of deviations, such as 0.01.", show_default=False)]
Confidence = Annotated[str, typer.Option(help="The assurance that there are fewer.")]
Expected = Annotated[int, typer.Option(min=0, help="Deviations in the sample that shall not defeat it.")]
StrataText = Annotated[
    str | None,
    typer.Option("--strata", help="none, model, outcome, or amount:COLUMN:BOUND,BOUND; each is assured of by itself."),
]
FirstEntry = Annotated[int, typer.Option("--from", min=0, help="The first entry of the log that it is about.")]


def parse_strata(text: str | None) -> Strata | None:
    """Strata as people write them. Raises MalformedError."""
    match (text or "none").split(":"):
        case ["none"]:
            return None
        case ["model"]:
            return ByModel()
        case ["outcome"]:
            return ByOutcome()
        case ["amount", column, bounds]:
            return ByAmount(column, tuple(bounds.split(",")))
    raise MalformedError(
        f"{text!r} is no way to divide a population", advice="write none, model, outcome, or amount:COLUMN:BOUND,BOUND"
    )


def named_node(roster: Roster, name: str) -> Node:
    """The node of a name. Raises MalformedError."""
    found = [node for _, node in roster.members() if node.name == name]
    if len(found) != 1:
        raise MalformedError(f"{len(found)} nodes of epoch {roster.epoch} are named {name!r}")
    return found[0]


def table(rows: Sequence[tuple[str, int, int]]) -> list[str]:
    """Strata with their populations and samples, for people."""
    width = max((len(name) for name, _, _ in rows), default=0)
    return [f"  {name:{width}}  {population:>12,} decisions  {sample:>8,} drawn" for name, population, sample in rows]
