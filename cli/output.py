"""How commands speak: readable lines on a terminal, one JSON object with --json."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from ..evidence.values import Audio, DType, Image, Input, Output, Record, Text

# Exit statuses besides 0, success.
NEGATIVE_VERDICT: Final = 1
BAD_INPUT: Final = 2
UNFINISHED: Final = 3  # nothing is wrong; the same command goes on
DEFECT: Final = 70  # EX_SOFTWARE of sysexits.h: the fault is reperform's own

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]

# Everything meant for people who watch goes to stderr, so that stdout can be piped.
progress = Console(stderr=True, highlight=False)


def plain(text: str) -> str:
    """Text that cannot move a terminal's cursor or begin a line: names come from people whom nobody trusts yet."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def tell(as_json: bool, body: Mapping[str, Any], *lines: str) -> None:
    """Print the result of a command."""
    if as_json:
        print(json.dumps(body))
    else:
        for line in lines:
            print(plain(line))


def moment(milliseconds: int) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def describe_output(output: Output) -> str:
    """A model's answer on one line: the decision, and small float tensors with their exact bits."""
    parts = [] if output.decision is None else [output.decision]
    for tensor in output.tensors:
        if tensor.dtype is DType.F32 and len(tensor.data) == 4:
            (number,) = struct.unpack("<f", tensor.data)
            parts.append(f"{tensor.name} {number:.9g} (bits {tensor.data[::-1].hex()})")
        else:
            parts.append(f"{tensor.name} {tensor.dtype}{list(tensor.shape)}")
    return ", ".join(parts)


def describe_input(value: Input) -> str:
    """A committed input on one line."""
    match value:
        case Record():
            return ", ".join(f"{e.column} {'(missing)' if e.value is None else e.value}" for e in value.entries)
        case Text():
            return value.text
        case Image():
            return f"an image of {value.width} x {value.height} pixels, {value.channels}"
        case Audio():
            samples = len(value.samples) // 2
            return f"{samples / value.rate:.3f} s of sound: {samples:,} samples at {value.rate:,} per second"
    return ", ".join(f"{tensor.name} {tensor.dtype}{list(tensor.shape)}" for tensor in value.tensors)
