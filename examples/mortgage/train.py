"""Trains a small scorer of mortgage applications and pins it. Made to be disputed, not to lend money by.

Left out on purpose: what the law forbids to decide on (race, ethnicity, sex, marital status, dependents,
age) and the neighbourhood columns, which stand in for it; what is known only after the decision (action,
reject, typur, review, inson); and columns computed from others. A model can be unfair without any of these:
re-running it shows what it computed, not that it was right.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn

from ...evidence.digest import Digest
from ...evidence.inputs import CategoryColumn, Missing, NumberColumn, RecordInput
from ...evidence.rules import Threshold
from ...evidence.values import Record
from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ...executor.preprocessing.records import RecordEncoder
from ..wheels import CACHE
from .data import Row, applications, labels

NUMBERS: Final = (
    *("loanamt", "appinc", "atotinc", "cototinc", "hexp", "price", "other", "liq", "netw", "apr", "loanprc"),
    *("hrat", "obrat", "rep", "lines", "term", "unit", "unem"),
    *("gdlin", "pubrec", "self", "fixadj", "inss", "gift", "cosign", "unver"),
)
CATEGORIES: Final = ("occ", "mortg", "cons", "prop")
COLUMNS: Final = frozenset((*NUMBERS, *CATEGORIES))

RULE: Final = Threshold(at="0.5", at_or_above="approve", below="decline")
TRAINED_ON: Final = 1500
# Twice as many agree no better on the applications held back.
_EPOCHS: Final = 40


class Scorer(nn.Module):
    """Standardised columns [batch, width] to the probability of an approval [batch]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [batch, width] to float32 [batch]."""
        y: torch.Tensor = self.layers(x)
        return y.squeeze(-1)


@dataclass(frozen=True, slots=True)
class Fit:
    """How often the rule says what the lender did, over applications it was not trained on."""

    agreement: float
    always_approve: float
    declined: int


def record(row: Row) -> Record:
    """What the model is asked to decide on: the declared columns of an application."""
    return Record.of({column: row[column] for column in COLUMNS})


def scorer(seed: int = 0, cache: Path = CACHE) -> Candidate:
    """A scorer trained on the first 1,500 applications. The same machine gives the same model."""
    rows = applications(cache)
    spec = columns(rows[:TRAINED_ON], labels(cache))
    model = train(rows[:TRAINED_ON], spec, seed)
    examples = [record(row) for row in rows[:8]]
    return Candidate("mortgage-scorer", model, examples, spec, ["probability"], RULE)


def train_and_pin(directory: Path, seed: int = 0, cache: Path = CACHE) -> Digest:
    """Pin the scorer into the new folder `directory`; returns the model id. Raises ReperformError."""
    return pin(scorer(seed, cache), directory)


def columns(rows: Sequence[Row], meaning: dict[str, str]) -> RecordInput:
    """Number columns standardised over `rows`, their mean standing in for a missing value; then categories."""
    numbers = tuple(_number(name, meaning[name], [row[name] for row in rows]) for name in NUMBERS)
    categories = tuple(
        CategoryColumn(name, meaning[name], tuple(sorted({v for row in rows if (v := row[name]) is not None})))
        for name in CATEGORIES
    )
    return RecordInput((*numbers, *categories))


def _number(name: str, meaning: str, values: Sequence[str | None]) -> NumberColumn:
    known = [float(v) for v in values if v is not None]
    mean = statistics.fmean(known)
    scale = repr(statistics.pstdev(known, mean))
    return NumberColumn(name, meaning, repr(mean), scale, missing=Missing.FILLED, stand_in=repr(mean))


def train(rows: Sequence[Row], spec: RecordInput, seed: int) -> Scorer:
    """Full-batch AdamW on the lender's own decisions, in native float32."""
    (x,) = RecordEncoder(spec).tensors([record(row) for row in rows])
    y = torch.tensor([float(row["approve"] == "1") for row in rows])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Scorer(x.shape[1])
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
        for _ in range(_EPOCHS):
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.binary_cross_entropy(model(x), y))
            optimizer.step()
    return model.eval()


def fit(model: Scorer, spec: RecordInput, rows: Sequence[Row]) -> Fit:
    """Agreement with the lender over `rows`."""
    (x,) = RecordEncoder(spec).tensors([record(row) for row in rows])
    with torch.no_grad():
        approved = model(x) >= float(RULE.at)
    lender = torch.tensor([row["approve"] == "1" for row in rows])
    return Fit(float((approved == lender).float().mean()), float(lender.float().mean()), int((~approved).sum()))


def main() -> None:
    """Train, pin, and say how the scorer compares with the lender on the applications held back."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(train_and_pin(options.directory, options.seed))
    rows = applications()
    spec = columns(rows[:TRAINED_ON], labels())
    print(fit(train(rows[:TRAINED_ON], spec, options.seed), spec, rows[TRAINED_ON:]))


if __name__ == "__main__":
    main()
