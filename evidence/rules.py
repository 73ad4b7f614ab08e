"""How a decision is read from a model's first output, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .encoding import MalformedError
from .values import parse_canonical


@dataclass(frozen=True, slots=True)
class Threshold:
    """The decision on a scalar output y (binary32): `at_or_above` if y >= at, otherwise `below`."""

    KIND: ClassVar[str] = "threshold/v1"
    at: str
    at_or_above: str
    below: str

    def __post_init__(self) -> None:
        parse_canonical(self.at)


@dataclass(frozen=True, slots=True)
class Largest:
    """The decision on a vector: the label of its largest element; of equal ones, the first."""

    KIND: ClassVar[str] = "largest/v1"
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise MalformedError("a rule by the largest element needs labels, each once")


Rule = Threshold | Largest
