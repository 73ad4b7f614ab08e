"""`reperform decide`: decide with a pinned model, one receipt each."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..evidence.documents import to_bytes
from ..evidence.encoding import MalformedError
from ..evidence.files import FileError, read_file, write_file
from ..evidence.values import Input, Record, Text
from .output import AsJson, progress, tell
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters


def decide(
    inputs: Annotated[Path, typer.Argument(help="A .csv or .jsonl file of records, or a .txt file, one text a line.")],
    model: Annotated[Path, typer.Option(help="The pinned model.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    journal: Annotated[Path, typer.Option(help="The executor's journal.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A folder for the decision files.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Decide every input and write a decision file for each: the receipt and its opening, for the subject.

    Example: reperform decide applications.csv --model models/mortgage --key bank.key --roster roster.dsse
    --roots roots.json --journal bank.journal --out decisions/
    """
    from ..executor.journal import Journal
    from ..executor.model import PinnedModel
    from ..executor.service import Executor

    values = read_inputs(inputs)
    in_force = read_rosters(roster, roots)[-1].document
    keys = read_keys(key)
    pinned = PinnedModel.load(model)
    pinned.tensors(values)  # a row that the model does not take is refused before any number is reserved
    with Journal(journal, keys.signing.public.key_id) as opened, progress.status(f"deciding {len(values)} inputs"):
        decisions = Executor(pinned, keys, in_force, opened, now).decide(values)
    for decision in decisions:
        write_file(out / f"{decision.sequence:09d}.decision", to_bytes(decision.file), mode=0o600)
    counts: dict[str, int] = {}
    for decision in decisions:
        counts[decision.output.decision or "answered"] = counts.get(decision.output.decision or "answered", 0) + 1
    summary = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
    tell(
        as_json,
        {"decisions": len(decisions), "outcomes": counts, "first": decisions[0].sequence, "directory": str(out)},
        f"{len(decisions)} decisions: {summary}",
        f"decision files in {out}; each goes to its subject and to nobody else",
    )


def read_inputs(path: Path) -> list[Input]:
    """Inputs from a file of people's own kind. Raises MalformedError naming file and line."""
    try:
        text = read_file(path).decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path} is not UTF-8 text") from error
    match path.suffix:
        case ".csv":
            values: list[Input] = [_csv_record(row, path, n) for n, row in enumerate(_rows(text, path), start=2)]
        case ".jsonl":
            values = [_json_record(line, path, n) for n, line in enumerate(text.splitlines(), start=1)]
        case ".txt":
            values = [Text(line) for line in text.splitlines()]
        case _:
            raise FileError(f"{path} is neither .csv, .jsonl nor .txt", advice="rename or convert it")
    if not values:
        raise MalformedError(f"{path} has no inputs")
    return values


def _rows(text: str, path: Path) -> list[dict[str | None, Any]]:
    try:
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise MalformedError(f"{path} is not a CSV file: {error}") from error


def _csv_record(row: dict[str | None, Any], path: Path, line: int) -> Record:
    """An empty field is a missing value."""
    if None in row or None in row.values():
        raise MalformedError(f"{path}, line {line}: the row has more or fewer fields than the header")
    return Record.of({str(column): value or None for column, value in row.items()})


def _json_record(line: str, path: Path, number: int) -> Record:
    """Numbers are kept as the text that stands in the file."""
    try:
        row = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{path}, line {number} is not JSON") from error
    if not isinstance(row, dict) or not all(value is None or type(value) is str for value in row.values()):
        raise MalformedError(f"{path}, line {number} is not an object of numbers, texts and nulls")
    return Record.of(row)
