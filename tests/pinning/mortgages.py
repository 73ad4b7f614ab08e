"""The mortgage applications as tree libraries take them: a matrix, and the same rows as records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from reperform.evidence.values import Output, Record
from reperform.examples.mortgage.data import Row, applications
from reperform.examples.mortgage.train import CATEGORIES, NUMBERS, record
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.tabular.notes import Note
from reperform.executor.preprocessing import encoder
from reperform.executor.tensors import from_little_endian

NAMES = [*NUMBERS, *CATEGORIES]
Array = NDArray[np.float64]


@cache
def rows() -> list[Row]:
    """All 1,989 of them."""
    return applications()


@cache
def categories() -> dict[str, tuple[str, ...]]:
    """Of each column of categories, in the order of their numbers."""
    return {name: tuple(sorted({v for row in rows() if (v := row[name]) is not None})) for name in CATEGORIES}


def notes() -> dict[str, Note]:
    """What is said about the categories."""
    return {name: Note(categories=known) for name, known in categories().items()}


@cache
def records() -> list[Record]:
    """What a pinned model takes."""
    return [record(row) for row in rows()]


@cache
def matrix() -> Array:
    """Float64 [1989, columns], NaN where a value is missing, categories by number."""
    return np.array([[_number(row, name) for name in NAMES] for row in rows()])


@cache
def approved() -> Array:
    """1 where the lender approved."""
    return np.array([float(row["approve"] == "1") for row in rows()])


@cache
def incomes() -> Array:
    """Something to predict a number of."""
    return np.array([min(float(row["appinc"] or 60), 300.0) for row in rows()])


def answers(outputs: Sequence[Output]) -> Array:
    """The first tensors of outputs, as one."""
    given: Any = torch.stack([from_little_endian(output.tensors[0]) for output in outputs]).double().numpy()
    return np.asarray(given, np.float64)


def found(candidate: Candidate, given: Sequence[Record]) -> Array:
    """What a candidate's module gives for records, in native torch."""
    (row,) = encoder(candidate.input, {}).tensors(given)
    return np.asarray(candidate.module(row).detach().double().numpy(), np.float64)


def _number(row: Row, name: str) -> float:
    text = row[name]
    if text is None:
        return math.nan
    return float(categories()[name].index(text) if name in categories() else text)
