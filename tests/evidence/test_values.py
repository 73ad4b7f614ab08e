"""What people commit to: decimal texts have one grammar, records one order, tensors the bytes of their shape."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.encoding import MalformedError
from reperform.evidence.values import MAX_RANK, DType, Entry, Record, Tensor, parse_canonical, parse_decimal

REFUSED = [
    "", " ", "1_0", " 7", "7 ", "7\n", "\t7", "+1", "01", "00", "-01", ".5", "5.", "-.5", "-", "--1", "1e", "1e+", "e5",
    "1.e5", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "infinity", "0x1", "0x1p3", "0b1", "1,000", "1e5.0",
    "١٢", "７", "½", "1e1_0", "1 000", "−1", "1\x00", "1L", "1f", "true", "None", "1e999", "-1e999", "1" + "0" * 400,
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_is_no_decimal_number_is_refused_without_being_shown(text: str) -> None:
    for parse in (parse_decimal, parse_canonical):
        with pytest.raises(MalformedError) as caught:
            parse(text)
        assert str(caught.value) in ("a text is not a decimal number", "a number is too large for 64 bits")


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0.0), ("-0", -0.0), ("7", 7.0), ("-1.50", -1.5), ("4211.50", 4211.5), ("1e3", 1000.0), ("1E-2", 0.01),
     ("1e+05", 1e5), ("0e999999999999", 0.0), ("1e-999", 0.0), ("5e-324", 5e-324), ("0.1", 0.1)],
)  # fmt: skip
def test_a_decimal_text_is_the_nearest_number(text: str, number: float) -> None:
    assert parse_decimal(text) == number
    assert math.copysign(1, parse_decimal(text)) == math.copysign(1, number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_has_one_canonical_text(number: float) -> None:
    text = repr(number)
    assert repr(parse_canonical(text)) == text
    for other in (f"{number:.30e}", text + "0" if "e" not in text else text.upper()):
        with pytest.raises(MalformedError):
            parse_canonical(other)


@given(st.text(alphabet="0123456789+-.eE_ naif", max_size=12))
def test_any_text_is_a_finite_number_or_refused(text: str) -> None:
    try:
        number = parse_decimal(text)
    except MalformedError:
        return
    assert math.isfinite(number)
    assert text == text.strip()


def test_a_very_long_decimal_is_read_in_no_time() -> None:
    assert parse_decimal("0." + "1" * 1_000_000) == 1 / 9


@pytest.mark.parametrize("columns", [("b", "a"), ("a", "a"), ("a", "b", "a"), ("a", "B")])
def test_a_record_whose_columns_are_not_unique_and_sorted_is_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError):
        Record(tuple(Entry(column, None) for column in columns))


@given(st.dictionaries(st.text(), st.none() | st.text()))
def test_a_row_in_any_order_is_one_record(row: dict[str, str | None]) -> None:
    assert Record.of(row) == Record.of(dict(reversed(row.items())))
    assert {entry.column: entry.value for entry in Record.of(row).entries} == row


@pytest.mark.parametrize("dtype", list(DType))
def test_a_tensor_has_exactly_the_bytes_that_its_shape_says(dtype: DType) -> None:
    assert Tensor("x", dtype, (2, 3), bytes(6 * dtype.size)).shape == (2, 3)
    Tensor("scalar", dtype, (), bytes(dtype.size))
    Tensor("empty", dtype, (0, 2**63), b"")
    for shape, size in (((2, 3), 6 * dtype.size - 1), ((2, 3), 6 * dtype.size + 1), ((), 0), ((2**63, 2), 0)):
        with pytest.raises(MalformedError, match="not what its shape says"):
            Tensor("x", dtype, shape, bytes(size))


def test_a_tensor_with_a_negative_size_or_too_many_dimensions_is_refused() -> None:
    with pytest.raises(MalformedError, match="negative"):
        Tensor("x", DType.F32, (-1, -1), bytes(4))
    Tensor("x", DType.F32, (1,) * MAX_RANK, bytes(4))
    for shape in ((1,) * (MAX_RANK + 1), (2**63,) * 100_000):  # the product of the latter would take minutes
        with pytest.raises(MalformedError, match="the limit is 64"):
            Tensor("x", DType.F32, shape, bytes(4))
