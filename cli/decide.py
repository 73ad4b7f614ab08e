"""`reperform decide`: decide with a pinned model, one receipt each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..evidence.documents import to_bytes
from ..evidence.encoding import MalformedError
from ..evidence.files import FileError, make_folder, read_file, write_file
from ..evidence.receipt import DecisionFile, Receipt
from ..evidence.roster import OrganisationRole
from ..evidence.values import Input, Record, Text
from ..executor.refusal import InputError
from .log_writer import writing
from .output import AsJson, progress, tell
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters
from .vault_key import VaultKeyCommand, VaultKeyFile, read_vault_key

if TYPE_CHECKING:
    from ..executor.model import PinnedModel


def decide(
    inputs: Annotated[Path, typer.Argument(help="A .csv or .jsonl file of records, or a .txt file, one text a line.")],
    model: Annotated[Path, typer.Option(help="The pinned model.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    journal: Annotated[Path, typer.Option(help="The executor's journal.", show_default=False)],
    vault: Annotated[Path, typer.Option(help="The vault for the openings.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A folder for the decision files.", show_default=False)],
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    log: Annotated[
        str | None, typer.Option(help="The log that the roster names: a folder, or s3://BUCKET/PREFIX.")
    ] = None,
    log_key: Annotated[Path | None, typer.Option(help="The log's key file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide every input and write a decision file for each: the receipt and its opening, for the subject.

    Example: reperform decide applications.csv --model models/mortgage --key bank.key --roster roster.dsse
    --roots roots.json --journal bank.journal --vault bank.vault --vault-key /media/key/bank.vault-key --out decisions/
    --log log/ --log-key log.key
    """
    from ..executor.journal import Journal
    from ..executor.model import PinnedModel
    from ..executor.selftest import selftest
    from ..executor.service import Executor
    from ..executor.vault.store import OpenVault

    values = read_inputs(inputs)
    rosters = [signed.document for signed in read_rosters(roster, roots)]
    in_force = rosters[-1]
    in_force.check_time(now())
    keys = read_keys(key)
    in_force.member_as(keys.signing.public.key_id, OrganisationRole.OPERATOR)
    pinned = PinnedModel.load(model)
    _check(pinned, values, inputs)
    selftest()  # a machine that computes something else must not decide
    make_folder(out)
    with (
        OpenVault(vault, read_vault_key(vault_key, vault_key_command)) as kept,
        writing(log, log_key, rosters) as entered,
        Journal(journal, keys.signing.public.key_id) as opened,
        progress.status(f"deciding {len(values)} inputs"),
    ):
        executor = Executor(pinned, keys, in_force, journal=opened, vault=kept, log=entered, clock=now)
        decisions = executor.decide(values)
    for decision in decisions:
        write_decision(out, decision.file)
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


def _check(model: PinnedModel, values: Sequence[Input], path: Path) -> None:
    """Refuse an input that the model does not take, by its place in the file, before any number is reserved."""
    try:
        model.tensors(values)
    except InputError:
        for number, value in enumerate(values, start=1):
            try:
                model.tensors([value])
            except InputError as error:
                raise InputError(f"{path}, input {number}: {error.cause}", advice=error.advice) from error
        raise


def write_decision(folder: Path, decision: DecisionFile) -> Path:
    """Write a decision file for its subject alone. Its name has the decision's id in it: none replaces another."""
    receipt = decision.receipt.parse(Receipt)
    path = folder / f"{receipt.sequence:09d}-{receipt.decision.hex()[:8]}.decision"
    write_file(path, to_bytes(decision), mode=0o600)
    return path


def read_inputs(path: Path) -> list[Input]:
    """Inputs from a file of people's own kind. Raises MalformedError naming file and line."""
    try:
        text = read_file(path).decode("utf-8-sig")  # spreadsheets put a byte order mark in front
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path} is not UTF-8 text") from error
    match path.suffix:
        case ".csv":
            values: list[Input] = list(_csv_records(text, path))
        case ".jsonl":
            values = [_json_record(line, path, n) for n, line in _lines(text, path)]
        case ".txt":
            values = [Text(line) for _, line in _lines(text, path)]
        case _:
            raise FileError(f"{path} is neither .csv, .jsonl nor .txt", advice="rename or convert it")
    if not values:
        raise MalformedError(f"{path} has no inputs")
    return values


def _lines(text: str, path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines. Only a line feed ends one: Unicode has more line ends, which may stand inside a text."""
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        if not line.strip():
            raise MalformedError(f"{path}, line {number} is empty", advice="remove it")
        yield number, line.removesuffix("\r")


def _csv_records(text: str, path: Path) -> Iterator[Record]:
    """An empty field is a missing value."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            raise MalformedError(f"{path} has the same column twice")
        for row in rows:
            if len(row) != len(header):
                cause = f"{path}, line {rows.line_num} has {len(row)} fields, and the header {len(header)}"
                raise MalformedError(cause)
            yield Record.of({column: value or None for column, value in zip(header, row, strict=True)})
    except csv.Error as error:
        raise MalformedError(f"{path}, line {rows.line_num} is not CSV: {error}") from error


def _json_record(line: str, path: Path, number: int) -> Record:
    """Numbers are kept as the text that stands in the file."""
    try:
        row = json.loads(line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{path}, line {number} is not JSON, or has the same column twice") from error
    if not isinstance(row, dict) or not all(value is None or type(value) is str for value in row.values()):
        raise MalformedError(f"{path}, line {number} is not an object of numbers, texts and nulls")
    return Record.of(row)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError
    return row
