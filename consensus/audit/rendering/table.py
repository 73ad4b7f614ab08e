"""A report on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH: Final = 100
ITEMS_SHOWN: Final = 20


def lines(body: Mapping[str, Any]) -> list[str]:
    """The lines that show what `Account.body` says."""
    plan, population, draw, coverage = body["plan"], body["population"], body["draw"], body["coverage"]
    signer = body["signed"]["by"]
    told = [
        conclusion(body),
        f"  audit      {body['audit']}, led by {plan['lead']['organisation']} ({plan['lead']['node']})",
        f"  population {population['decisions']} decisions, entries {population['first']} to {population['last']} of"
        f" {population['log']}",
        f"  frozen     {population['size']} entries, witnessed by {', '.join(population['witnesses']) or 'nobody'}",
        f"  seed       {draw['seed']}",
        *(f"  FAULT      {who['organisation']} ({who['node']}) did not reveal its nonce" for who in draw["faults"]),
        "",
        *_table(body),
        "",
    ]
    for item in body["items"][:ITEMS_SHOWN]:
        told.append(f"  {item['finding']:<13} entry {item['entry']}, receipt {item['receipt'][:12]}: {item['cause']}")
    if body["items_in_all"] > ITEMS_SHOWN:
        told.append(f"  and {body['items_in_all'] - ITEMS_SHOWN} more; --json and --html list them")
    given_up = ", ".join(f"{number} {reason}" for reason, number in coverage["abandoned"].items()) or "none"
    irregular = ", ".join(f"{each['number']} {each['kind']}" for each in coverage["irregular"]) or "nothing"
    told += [
        f"  covered    {coverage['entries']} entries; numbers given up: {given_up};"
        f" missing: {coverage['missing_numbers']}; irregular: {irregular}",
        *(f"  NOT        {text}" for text in body["not_covered"]),
        *(f"  event      {moment(event['time'])}: {event['what']}" for event in body["events"]),
        f"  signed by  {signer['organisation']} ({signer['node']}), {moment(body['ended'])}",
    ]
    return told


def conclusion(body: Mapping[str, Any]) -> str:
    """The answer in a sentence."""
    plan, whole = body["plan"], body["figures"]["whole"]
    stated = (
        f"at {plan['confidence']['percent']} % confidence, fewer than {plan['tolerable_rate']['percent']} % of"
        f" {whole['population']} decisions deviate"
    )
    if body["reached"]:
        return f"REACHED: {stated}"
    if whole["lenient"]["reached"]:
        return f"NOT REACHED, but for what could not be examined: not shown that {stated}"
    return f"NOT REACHED: not shown that {stated}"


def moment(milliseconds: int) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _table(body: Mapping[str, Any]) -> list[str]:
    """Both ways are shown where they differ: as deviations / as none."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("stratum", overflow="fold", max_width=24)
    for name in ("decisions", "drawn", "deviations", "unknown", "estimate %", "at most", "at most %", "reached"):
        table.add_column(name, justify="right", no_wrap=True)
    strata, whole = body["figures"]["strata"], body["figures"]["whole"]
    for row in strata if len(strata) == 1 else (*strata, whole):
        table.add_row(
            Text(row["name"]),
            str(row["population"]),
            str(row["sample"]),
            _ways(row, lambda figure: str(figure["deviations"])),
            str(row["findings"]["INDETERMINATE"]),
            _ways(row, lambda figure: figure["estimate"]["percent"]),
            _ways(row, lambda figure: str(figure["bound"])),
            _ways(row, lambda figure: figure["rate"]["percent"]),
            _ways(row, lambda figure: "yes" if figure["reached"] else "NO"),
        )
    file = StringIO()
    Console(file=file, width=WIDTH + 24, color_system=None, highlight=False, emoji=False).print(table)
    return [f"  {text.rstrip()}" for text in file.getvalue().splitlines()]


def _ways(row: Mapping[str, Any], show: Any) -> str:
    cautious, lenient = show(row["cautious"]), show(row["lenient"])
    return cautious if cautious == lenient else f"{cautious} / {lenient}"
