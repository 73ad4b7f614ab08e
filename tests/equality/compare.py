"""Every row of every setting against the first setting's: pure functions over answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reperform.tests.equality.answer import Answer, Rows


@dataclass(frozen=True, slots=True)
class Difference:
    """One row, or the root of one trace, that is not the first setting's."""

    model: str
    setting: str
    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.model}, {self.place}, under {self.setting}: {self.found:.16} instead of {self.expected:.16}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of one model. Rows are counted without those that the others are compared with."""

    model: str
    model_id: str
    inputs: int
    rows: int
    traces: int
    digest: str
    differences: tuple[Difference, ...]
    native_digests: int  # 0 if no native module was run beside
    native_rows_differing: int


def compare(model: str, answers: Mapping[str, Answer]) -> Comparison:
    """All answers of a model, by setting, with the first of them."""
    first = next(iter(answers.values()))
    expected, native = _first_pass(first.rows), _first_pass(first.native) if first.native else []
    full = [rows for a in answers.values() for rows in a.native.values() if len(rows) == len(native)]
    return Comparison(
        model=model,
        model_id=first.model_id,
        inputs=len(expected),
        rows=sum(len(rows) for a in answers.values() for rows in a.rows.values()) - len(expected),
        traces=sum(len(a.traces) for a in answers.values()) - len(first.traces),
        digest=_digest([*expected, *first.traces]),
        differences=tuple(d for setting, a in answers.items() for d in differences(model, first, setting, a)),
        native_digests=len({_digest(rows) for rows in full}),
        native_rows_differing=sum(1 for a in answers.values() for _ in _unlike(native, a.native)),
    )


def differences(model: str, first: Answer, setting: str, answer: Answer) -> Iterator[Difference]:
    """Where an answer is not the first's. Every pass is compared with the first's first, which has every input."""
    if answer.model_id != first.model_id:
        yield Difference(model, setting, "the pinned model", first.model_id, answer.model_id)
    for place, expected, found in _unlike(_first_pass(first.rows), answer.rows):
        yield Difference(model, setting, place, expected, found)
    for place, expected, found in _unlike(first.traces, {"traces": answer.traces}):
        yield Difference(model, setting, place, expected, found)


def _unlike(expected: Sequence[str], passes: Rows) -> Iterator[tuple[str, str, str]]:
    for name, rows in passes.items():
        if len(rows) > len(expected):
            raise ValueError(f"{name} has {len(rows)} rows, and there are {len(expected)} to compare them with")
        for number, (right, row) in enumerate(zip(expected, rows, strict=False)):
            if row != right:
                yield f"{name}, row {number}", right, row


def _first_pass(rows: Rows) -> list[str]:
    return next(iter(rows.values()))


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
