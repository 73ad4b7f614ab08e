"""What people say about a column that its model does not know: what it means, and in what it is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """`description` for people; `unit` of a number, such as "USD per month".

    `categories`: the texts that stand for 0, 1, ... where the model knows its categories only as such numbers.
    """

    description: str = ""
    unit: str | None = None
    categories: tuple[str, ...] = ()
