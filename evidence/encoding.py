"""One document, one byte string: a strict profile of msgpack.

The profile keeps nil, booleans, integers of 64 bits, text, bytes, lists, and maps whose keys are text,
unique, and in the order of their UTF-8 bytes. Integers and lengths take their shortest form. There are
no floats and no extensions: a tensor travels as dtype, shape and little-endian bytes, a real number as
its shortest decimal text.

`decode` is strict by round trip: what it read, encoded again, must be the bytes it was given.
"""

from __future__ import annotations

from typing import Final

import msgpack

from .errors import ReperformError

Value = None | bool | int | str | bytes | list["Value"] | dict[str, "Value"]

# A document is small; a committed image or a pack of many votes is not. Far above both, far below memory.
MAX_BYTES: Final = 64 * 1024 * 1024
# Documents nest five deep; the rest is room for committed records. Keeps recursion bounded.
MAX_DEPTH: Final = 16
# A byte of msgpack can become an empty list of 56 bytes, and five bytes can claim a list of 2**32 items. A
# roster of 1,024 nodes has about 30,000 values.
MAX_VALUES: Final = 2**18


class MalformedError(ReperformError):
    """Bytes that are not what they claim to be. The other side's fault, or the wire's."""


def encode(value: Value) -> bytes:
    """The canonical bytes of `value`. Raises MalformedError for anything outside the profile."""
    try:
        data = msgpack.packb(_ordered(value, MAX_DEPTH, _Count()), use_bin_type=True, strict_types=True)
    except UnicodeEncodeError as error:
        raise MalformedError("cannot be encoded: a text has half of a surrogate pair, which is no character") from error
    except (OverflowError, ValueError) as error:
        raise MalformedError(f"cannot be encoded: {error}") from error
    if len(data) > MAX_BYTES:
        raise MalformedError(f"document of {len(data)} bytes; the limit is {MAX_BYTES}")
    return bytes(data)


def decode(data: bytes) -> Value:
    """The value whose canonical bytes are exactly `data`. Raises MalformedError otherwise."""
    if len(data) > MAX_BYTES:
        raise MalformedError(f"document of {len(data)} bytes; the limit is {MAX_BYTES}")
    count, longest = _Count(), min(len(data), MAX_VALUES)
    try:
        value: Value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=longest,  # msgpack makes room for the claimed length before it reads an item
            max_map_len=longest,
            list_hook=count.listed,
            object_pairs_hook=count.unique,
        )
    except MalformedError:
        raise
    except UnicodeDecodeError as error:  # its own message shows the byte, which may be part of an opening
        raise MalformedError("not msgpack: a text is not UTF-8") from error
    # msgpack raises subclasses of ValueError for truncation, trailing bytes, bad UTF-8, bad keys and
    # nesting beyond its own stack; TypeError for an unhashable key.
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise MalformedError(f"not msgpack: {str(error) or type(error).__name__}") from error
    if encode(value) != data:
        raise MalformedError("not in canonical form: the same content has another, shorter or ordered, encoding")
    return value


class _Count:
    """How many values stand in lists and maps so far."""

    def __init__(self) -> None:
        self._values = 0

    def add(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise MalformedError(f"more than {MAX_VALUES} values in one document")

    def listed(self, items: list[Value]) -> list[Value]:
        self.add(len(items))
        return items

    def unique(self, pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        self.add(2 * len(pairs))
        result = dict(pairs)
        if len(result) != len(pairs):
            raise MalformedError("a map has the same key twice")
        return result


_ATOMS: Final = frozenset((type(None), bool, int, str, bytes))


def _ordered(value: Value, depth: int, count: _Count) -> Value:
    # Exact types: a subclass (an enum, numpy's float) would lose its meaning on the way.
    kind = type(value)
    if kind in _ATOMS:
        return value
    if depth == 0:
        raise MalformedError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list) and kind is list:
        count.add(len(value))
        return [_ordered(item, depth - 1, count) for item in value]
    if isinstance(value, dict) and kind is dict:
        count.add(2 * len(value))
        if not all(type(key) is str for key in value):
            raise MalformedError("a map has a key that is not text")
        # The order of code points is the order of their UTF-8 bytes.
        return {key: _ordered(value[key], depth - 1, count) for key in sorted(value)}
    allowed = "nil, booleans, integers, text, bytes, lists and maps"
    raise MalformedError(f"{kind.__name__} is outside the profile, which has {allowed}")
