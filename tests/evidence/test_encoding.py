"""The strict profile of msgpack: one value, one byte string, and nothing but MalformedError for anything else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence import encoding
from reperform.evidence.encoding import MAX_BYTES, MAX_DEPTH, MAX_VALUES, MalformedError, decode, encode

TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8")) | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=6)
    ),
    max_leaves=30,
)

NOT_CANONICAL = {
    "a positive integer in two bytes that fits one": b"\xcc\x07",
    "an integer in three bytes that fits two": b"\xcd\x00\xff",
    "an integer in five bytes that fits three": b"\xce\x00\x00\xff\xff",
    "an integer in nine bytes that fits five": b"\xcf\x00\x00\x00\x00\xff\xff\xff\xff",
    "a positive integer in a signed form": b"\xd0\x07",
    "a positive integer in a longer signed form": b"\xd1\x00\xff",
    "a negative integer in two bytes that fits one": b"\xd0\xff",
    "a negative integer in three bytes that fits two": b"\xd1\xff\x80",
    "a negative integer in nine bytes that fits one": b"\xd3" + b"\xff" * 8,
    "a short text in str8": b"\xd9\x01a",
    "a text in str16 that fits str8": b"\xda\x00\x20" + b"a" * 32,
    "a text in str32": b"\xdb\x00\x00\x00\x01a",
    "bytes in bin16 that fit bin8": b"\xc5\x00\x01a",
    "bytes in bin32 that fit bin8": b"\xc6\x00\x00\x00\x01a",
    "a list in array16 that fits fixarray": b"\xdc\x00\x01\xc0",
    "a list in array32 that fits fixarray": b"\xdd\x00\x00\x00\x01\xc0",
    "a map in map16 that fits fixmap": b"\xde\x00\x01\xa1a\xc0",
    "a map in map32 that fits fixmap": b"\xdf\x00\x00\x00\x01\xa1a\xc0",
    "keys out of order": b"\x82\xa1b\xc0\xa1a\xc0",
    "keys in the order of their lengths, not of their bytes": b"\x82\xa1b\xc0\xa2aa\xc0",
    "a key twice": b"\x82\xa1a\xc0\xa1a\xc0",
    "a key twice with different values": b"\x82\xa1a\x01\xa1a\x02",
    "a key that is bytes": b"\x81\xc4\x01a\xc0",
    "a key that is a number": b"\x81\x01\xc0",
    "a key that is nil": b"\x81\xc0\xc0",
    "a key that is a list": b"\x81\x90\xc0",
    "a float32": b"\xca\x3f\x80\x00\x00",
    "a float64": b"\xcb\x3f\xf0" + bytes(6),
    "a NaN": b"\xcb\x7f\xf8" + bytes(6),
    "an extension": b"\xd4\x01\x00",
    "a timestamp": b"\xd6\xff\x00\x00\x00\x01",
    "a timestamp out of range": b"\xc7\x0c\xff\xff\xff\xff\xff" + b"\x7f" + b"\xff" * 7,
    "an extension of type -2": b"\xd4\xfe\x00",
    "the byte that msgpack never uses": b"\xc1",
    "two values": b"\xc0\xc0",
    "a trailing zero byte": b"\x01\x00",
    "nothing": b"",
    "a cut text": b"\xa2a",
    "a cut list": b"\x92\xc0",
    "a cut map": b"\x81\xa1a",
    "a text that is not UTF-8": b"\xa1\xff",
    "a text with half a surrogate pair": b"\xa3\xed\xa0\x80",
    "a text in an overlong form": b"\xa2\xc0\x80",
    "a list that claims more than there is": b"\xdd\xff\xff\xff\xff\xc0",
    "a map that claims more than there is": b"\xdf\xff\xff\xff\xff\xa1a\xc0",
    "bytes that claim more than there is": b"\xc6\xff\xff\xff\xffa",
    "lists nested deeper than the limit": b"\x91" * (MAX_DEPTH + 1) + b"\xc0",
    "lists nested deeper than any stack": b"\x91" * 1_000_000 + b"\xc0",
    "maps nested deeper than any stack": b"\x81\xa1a" * 100_000 + b"\xc0",
}


@given(VALUES)
def test_what_was_encoded_reads_back_as_the_same_value_and_the_same_bytes(value: Any) -> None:
    data = encode(value)
    again = decode(data)
    assert again == value
    assert encode(again) == data
    assert _types(again) == _types(value)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    return [_types(item) for item in value] if isinstance(value, list) else type(value)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), SCALARS, min_size=2, max_size=8), st.randoms())
def test_the_order_in_which_a_map_was_filled_does_not_show(value: dict[str, Any], rng: Any) -> None:
    items = list(value.items())
    rng.shuffle(items)
    assert encode(dict(items)) == encode(value)


def test_keys_stand_in_the_order_of_their_utf8_bytes() -> None:
    # UTF-16 would sort U+10000 before U+FFFF.
    keys = ["", "a", "aa", "b", "é", "\uffff", "\U00010000"]
    value: Any = dict.fromkeys(reversed(keys))
    assert list(msgpack.unpackb(encode(value))) == keys


@pytest.mark.parametrize("data", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_are_canonical(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedError:
        return
    assert encode(value) == data


@given(VALUES, st.data())
def test_damaged_bytes_are_refused_or_are_canonical(value: Any, data: st.DataObject) -> None:
    damaged = bytearray(encode(value))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        again = decode(bytes(damaged))
    except MalformedError:
        return
    assert encode(again) == damaged


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), {1: None}, {b"a": None}, (1,), {1}, bytearray(1), 2**64, -(2**63) - 1, "\ud800", {"\udc00": 1}],
    ids=repr,
)
def test_a_value_outside_the_profile_cannot_be_encoded(value: Any) -> None:
    for nested in (value, [value], {"a": value}):
        with pytest.raises(MalformedError):
            encode(nested)


def test_a_subclass_of_an_allowed_type_cannot_be_encoded() -> None:
    class Number(int):
        pass

    with pytest.raises(MalformedError, match="Number is outside the profile"):
        encode(Number(1))


def test_a_list_that_holds_itself_cannot_be_encoded() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(MalformedError, match="nested deeper"):
        encode(endless)


def test_the_deepest_allowed_nesting_passes_and_one_more_does_not() -> None:
    deepest = b"\x91" * MAX_DEPTH + b"\xc0"
    assert encode(decode(deepest)) == deepest
    with pytest.raises(MalformedError, match=f"nested deeper than {MAX_DEPTH}"):
        decode(b"\x91" + deepest)


def test_the_longest_allowed_list_passes_and_one_more_does_not() -> None:
    longest: Any = [None] * MAX_VALUES
    assert decode(encode(longest)) == longest
    with pytest.raises(MalformedError, match=f"more than {MAX_VALUES} values"):
        encode([*longest, None])
    with pytest.raises(MalformedError):
        decode(b"\xdd" + (MAX_VALUES + 1).to_bytes(4, "big") + b"\xc0" * (MAX_VALUES + 1))


def test_values_are_counted_over_the_whole_document() -> None:
    half: Any = [None] * (MAX_VALUES // 2)
    with pytest.raises(MalformedError, match="more than"):
        encode([half, half])
    with pytest.raises(MalformedError, match="more than"):
        decode(b"\x92" + encode(half) * 2)


def test_a_document_larger_than_the_limit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(encoding, "MAX_BYTES", 100)
    assert decode(encode(bytes(98))) == bytes(98)
    with pytest.raises(MalformedError, match="the limit is 100"):
        encode(bytes(99))
    with pytest.raises(MalformedError, match="the limit is 100"):
        decode(b"\xc4\x63" + bytes(99))


BOMBS = {
    "claimed lengths, a thousand deep": '(b"\\xdd" + (2**25).to_bytes(4, "big")) * 1000 + bytes(2**25)',
    "a flat list of empty lists": 'b"\\xdd" + (2**25).to_bytes(4, "big") + b"\\x90" * 2**25',
    "a list of lists of empty maps": 'b"\\xdc\\x20\\x00" + (b"\\xdc\\x10\\x00" + b"\\x80" * 4096) * 8192',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_small_document_cannot_take_much_memory_or_time(bomb: str) -> None:
    program = f"""
import resource
from reperform.evidence.encoding import MalformedError, decode
data = {bomb}
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # not a measurement: what loops is ended
try:
    decode(data)
except MalformedError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "refused\n", done.stderr[-500:]


def test_errors_about_bytes_do_not_show_the_bytes() -> None:
    for data in (b"\xa7secret\xff", b"\xa6secret\x00", b"\xd9\x06secret", b"\x82\xa6secret\xc0\xa6secret\xc0"):
        with pytest.raises(MalformedError) as caught:
            decode(data)
        assert "secret" not in str(caught.value)
        assert "ff" not in str(caught.value)


def test_a_key_that_stands_twice_is_named_as_the_cause() -> None:
    with pytest.raises(MalformedError, match="the same key twice"):
        decode(b"\x82\xa1a\xc0\xa1a\xc0")
