"""`reperform audit size`: how many decisions a statement needs, before anything is planned."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from ...consensus.audit.census import Frame
from ...consensus.audit.population import count
from ...evidence.audit.attributes import sample_size
from ...evidence.encoding import MalformedError
from ...evidence.values import parse_canonical
from ...evidence.witnessed import open_checkpoint
from ..log_place import LogAuthority, open_reader, read_epochs, read_shown, told
from ..output import AsJson, tell
from .options import Confidence, Expected, FirstEntry, Rate, StrataText, parse_strata, table


def size(
    rate: Rate,
    confidence: Confidence = "0.95",
    expected: Expected = 0,
    population: Annotated[
        int | None, typer.Option(min=0, help="How many decisions there are; without it and --log: any number.")
    ] = None,
    log: Annotated[str | None, typer.Option("--log", help="Count the decisions of this log.")] = None,
    roster: Annotated[list[Path] | None, typer.Option(help="With --log: the signed roster.")] = None,
    roots: Annotated[Path | None, typer.Option(help="With --log: root keys that you trust.")] = None,
    strata: StrataText = None,
    first: FirstEntry = 0,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """How many decisions must be examined to say, with this confidence, that fewer than this rate deviate.

    Example: reperform audit size --rate 0.01 --confidence 0.95
    """
    if log is not None and (roster is None or roots is None or population is not None):
        raise MalformedError("--log needs --roster and --roots, and counts by itself", advice="see --help")
    fractions = [_fraction(rate), _fraction(confidence)]

    def needed(decisions: int | None) -> int:
        return sample_size(*fractions, expected=expected, population=decisions)

    if log is None or roster is None or roots is None:
        many = "any number of" if population is None else f"{population:,}"
        number = needed(population)
        tell(as_json, {"sample": number, "population": population}, f"{number:,} of {many} decisions")
        return
    rosters, reader = read_epochs(roster, roots), open_reader(log, log_ca)
    checkpoint = open_checkpoint(read_shown(reader), rosters).checkpoint
    frame = Frame(range(first, checkpoint.size), parse_strata(strata), None)
    counted = count(reader, checkpoint, rosters, frame, told)
    rows = [(stratum, number, needed(number)) for stratum, number in sorted(counted.items())]
    tell(
        as_json,
        {
            "sample": sum(row[2] for row in rows),
            "population": sum(row[1] for row in rows),
            "strata": [{"stratum": name, "population": number, "sample": drawn} for name, number, drawn in rows],
        },
        *table(rows),
    )


def _fraction(text: str) -> Fraction:
    parse_canonical(text)
    return Fraction(text)
