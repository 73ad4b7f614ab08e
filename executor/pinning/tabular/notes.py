"""What people say about a column that its model does not know: what it means, and in what it is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """`description` for people; `unit` of a number, such as "USD per month"."""

    description: str = ""
    unit: str | None = None
