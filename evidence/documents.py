"""Frozen dataclasses as documents: one codec, driven by the field types.

A document is a dataclass with a class variable KIND ("receipt/v1"). Its bytes are the canonical encoding
of a map of its fields plus "kind". Reading is strict: the kind must be the expected one, no field may be
missing or unknown, and every value must have the declared type; the error names the path to the field.

Field types: bytes, str, int, bool, Digest, StrEnum, None, a document, `tuple[T, ...]`, `Mapping`-free
unions of those in which at most one member reads a given value (documents are told apart by their kind).
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Final, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from .digest import Digest
from .encoding import MalformedError, Value, decode, encode


class Document(Protocol):
    """A frozen dataclass with a kind."""

    KIND: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


D = TypeVar("D")


def to_bytes(document: Document) -> bytes:
    """The one byte string of this document."""
    return encode(_write(document))


def from_bytes(cls: type[D], data: bytes) -> D:
    """Read a document of the class `cls` (or of one of a union of classes). Raises MalformedError."""
    read: Reader = _reader(cls)  # type: ignore[arg-type]  # mypy: classes and unions are hashable
    result: D = read(decode(data), _name(cls))
    return result


_PLAIN: Final = frozenset((type(None), bool, int, str, bytes))


def _write(value: Any) -> Value:
    cls: Any = type(value)
    plain: Value
    if cls in _PLAIN:
        plain = value
    elif cls is Digest:
        plain = value.value
    elif cls is tuple:
        plain = [_write(item) for item in value]
    elif isinstance(value, StrEnum):
        plain = value.value
    elif is_dataclass(value) and hasattr(value, "KIND"):
        plain = {"kind": value.KIND, **{name: _write(getattr(value, name)) for name in _names(cls)}}
    else:
        raise MalformedError(f"{type(value).__name__} cannot stand in a document")
    return plain


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


Reader = Callable[[Value, str], Any]
_SHOWN: Final = 4  # unknown fields in one error


@cache
def _reader(hint: Any) -> Reader:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _union(get_args(hint))
    if origin is tuple:
        return _sequence(get_args(hint)[0])
    if hint is Digest:
        return _digest
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _member(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _document(hint)
    return lambda value, path: _exact(hint, value, path)


def _exact(kind: Any, value: Value, path: str) -> Any:
    if type(value) is not kind:
        raise MalformedError(f"{path} is {_describe(value)}, expected {_name(kind)}")
    return value


def _digest(value: Value, path: str) -> Digest:
    raw = _exact(bytes, value, path)
    return _at(path, lambda: Digest(raw))


def _member(enum: type[StrEnum]) -> Reader:
    members = {member.value: member for member in enum}

    def read(value: Value, path: str) -> StrEnum:
        member = members.get(_exact(str, value, path))
        if member is None:
            raise MalformedError(f"{path} is not one of {', '.join(members)}")
        return member

    return read


def _sequence(item: Any) -> Reader:
    read_item = _reader(item)

    def read(value: Value, path: str) -> tuple[Any, ...]:
        return tuple(read_item(v, f"{path}[{i}]") for i, v in enumerate(_exact(list, value, path)))

    return read


def _union(members: tuple[Any, ...]) -> Reader:
    kinds = {m.KIND: _reader(m) for m in members if hasattr(m, "KIND")}
    plain = [m for m in members if not hasattr(m, "KIND") and m is not type(None)]
    optional = type(None) in members

    def read(value: Value, path: str) -> Any:
        if value is None and optional:
            return None
        if isinstance(value, dict) and kinds:
            kind = value.get("kind")
            if not isinstance(kind, str) or kind not in kinds:
                raise MalformedError(f"{path} is of kind {_shown(kind)}, expected {' or '.join(kinds)}")
            return kinds[kind](value, path)
        for member in plain:
            if type(value) is _carrier(member):
                return _reader(member)(value, path)
        raise MalformedError(f"{path} is {_describe(value)}, which it cannot be")

    return read


def _carrier(hint: Any) -> Any:
    """The type of the encoded value that a member of a union is read from."""
    if hint is Digest:
        return bytes
    if get_origin(hint) is tuple:
        return list
    return str if isinstance(hint, type) and issubclass(hint, StrEnum) else hint


def _document(cls: Any) -> Reader:
    hints = get_type_hints(cls)
    readers = {field.name: _reader(hints[field.name]) for field in fields(cls)}
    expected = {"kind", *readers}

    def read(value: Value, path: str) -> Any:
        body = _exact(dict, value, path)
        if body.get("kind") != cls.KIND:
            raise MalformedError(f"{path} is of kind {_shown(body.get('kind'))}, expected {cls.KIND}")
        if body.keys() != expected:
            missing, unknown = sorted(expected - body.keys()), sorted(body.keys() - expected)
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise MalformedError(f"{path} lacks {missing} and has unknown {[u[:40] for u in unknown[:_SHOWN]]}{more}")
        values = {name: reader(body[name], f"{path}.{name}") for name, reader in readers.items()}
        return _at(path, lambda: cls(**values))

    return read


def _at(path: str, build: Callable[[], D]) -> D:
    """Let the invariants that a class checks about itself name the place where it stands."""
    try:
        return build()
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error


def _name(hint: Any) -> str:
    if hasattr(hint, "KIND"):
        return str(hint.KIND).partition("/")[0]
    return getattr(hint, "__name__", "document")


def _shown(kind: Value) -> str:
    return repr(kind[:40]) if isinstance(kind, str) else _describe(kind)


def _describe(value: Value) -> str:
    return "absent" if value is None else type(value).__name__
