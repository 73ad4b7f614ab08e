"""Universal Binary JSON (draft 12), as XGBoost writes it, read strictly into what `json.loads` gives."""

from __future__ import annotations

import struct
from typing import Any, Final

from ....evidence.encoding import MalformedError

_MAX_DEPTH: Final = 32
_NUMBERS: Final = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_CONSTANTS: Final = {"T": True, "F": False, "Z": None}


def loads(data: bytes) -> Any:
    """The one value in `data`. Raises MalformedError."""
    reader = _Reader(data)
    value = reader.value(reader.marker(), 0)
    if reader.at != len(data):
        raise MalformedError("UBJSON has bytes after its value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """The next bytes; sizes are compared with what is there before anything is made of them."""
        if not 0 <= size <= len(self._data) - self.at:
            raise MalformedError("UBJSON ends before its value does")
        self.at += size
        return self._data[self.at - size : self.at]

    def marker(self) -> str:
        return self.take(1).decode("latin-1")

    def value(self, marker: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise MalformedError(f"UBJSON is nested deeper than {_MAX_DEPTH}")
        if marker in _NUMBERS:
            (number,) = struct.unpack(_NUMBERS[marker], self.take(struct.calcsize(_NUMBERS[marker])))
            return number
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "S":
            return self._text(self.marker())
        if marker == "[":
            return self._array(depth)
        if marker == "{":
            return self._object(depth)
        raise MalformedError(f"UBJSON has a value of type {marker!r}, which is not known")

    def _size(self, marker: str) -> int:
        size = self.value(marker, 0) if marker in "iUIlL" else -1
        if not isinstance(size, int) or size < 0:
            raise MalformedError("UBJSON has a size that is no whole number")
        return size

    def _text(self, marker: str) -> str:
        try:
            return self.take(self._size(marker)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError("UBJSON has a text that is not UTF-8") from error

    def _array(self, depth: int) -> list[Any]:
        marker = self.marker()
        if marker == "$":
            kind = self.marker()
            if kind not in _NUMBERS or self.marker() != "#":
                raise MalformedError("UBJSON has a typed array that is not of numbers")
            size, form = self._size(self.marker()), _NUMBERS[kind]
            packed = self.take(size * struct.calcsize(form))
            return list(struct.unpack(f">{size}{form[1]}", packed))
        if marker == "#":
            return [self.value(self.marker(), depth + 1) for _ in range(self._size(self.marker()))]
        items = []
        while marker != "]":
            items.append(self.value(marker, depth + 1))
            marker = self.marker()
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while (marker := self.marker()) != "}":
            key = self._text(marker)
            if key in items:
                raise MalformedError(f"UBJSON has the key {key!r:.40} twice")
            items[key] = self.value(self.marker(), depth + 1)
        return items
