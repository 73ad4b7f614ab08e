"""Sizes, strides and paddings as ATen passes them: one number, or one for each dimension."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import RefusedArithmeticError

Size = int | Sequence[int]


def sizes(operation: str, argument: str, value: Size, dims: int, *, least: int) -> list[int]:
    """One number for each of `dims` dimensions; RefusedArithmeticError for one below `least`."""
    numbers = [value] if isinstance(value, int) else list(value)
    numbers = numbers * dims if len(numbers) == 1 else numbers
    if len(numbers) != dims or min(numbers) < least:
        raise RefusedArithmeticError(f"{operation} with {argument}={value!r} is not defined")
    return numbers
