"""Weights that are made ready for exact products once on a machine, and read in place by all its workers.

What one worker makes lies in Ray's object store under the digests of what it was made from and of its own bytes. A
worker takes what fits the weight that it has checked, and is as it was made; what is not there it makes for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import torch

from ...executor.arithmetic.kernels import Operand
from ...executor.arithmetic.prepared import PREPARED, Preparation
from ...executor.model import ModelError
from ...executor.tensors import digest_of
from .shared import SharedTensor

# By the operation, and the digest of the weight.
Operands = dict[tuple[str, bytes], "SharedOperand"]


@dataclass(frozen=True, slots=True)
class SharedOperand:
    """A weight made ready: the fields of the dataclass that the kernels made of it, tensors as their bytes."""

    kind: type[Operand]
    fields: Mapping[str, object]
    sha256: bytes

    @classmethod
    def of(cls, operand: Operand) -> Self:
        """What the kernels made."""
        found = {field.name: getattr(operand, field.name) for field in fields(operand)}  # type: ignore[arg-type]
        kept = {name: SharedTensor.of(v) if isinstance(v, torch.Tensor) else v for name, v in found.items()}
        return cls(type(operand), kept, _digest(kept))

    def operand(self) -> Operand:
        """The same, in place. Raises ModelError if a byte of it was altered."""
        if _digest(self.fields) != self.sha256:
            raise ModelError("weights that were made ready on this machine were altered in its object store")
        found = {name: v.tensor() if isinstance(v, SharedTensor) else v for name, v in self.fields.items()}
        return self.kind(**found)


def kept_in(made: Operands) -> Mapping[str, Preparation]:
    """The preparations of portable-1, which keep what they make."""

    def keep(op: str, how: Preparation) -> Callable[[torch.Tensor], Operand]:
        def prepare(weight: torch.Tensor) -> Operand:
            operand = how.prepare(weight)
            made[_key(op, weight)] = SharedOperand.of(operand)
            return operand

        return prepare

    return {op: replace(how, prepare=keep(op, how)) for op, how in PREPARED.items()}


def taken_from(made: Operands) -> Mapping[str, Preparation]:
    """The preparations of portable-1, which take what was made. They raise ModelError for what was altered since."""

    def take(op: str, how: Preparation) -> Callable[[torch.Tensor], Operand]:
        def prepare(weight: torch.Tensor) -> Operand:
            there = made.get(_key(op, weight))
            return how.prepare(weight) if there is None else there.operand()

        return prepare

    return {op: replace(how, prepare=take(op, how)) for op, how in PREPARED.items()}


def _key(op: str, weight: torch.Tensor) -> tuple[str, bytes]:
    return op, digest_of(weight).value


def _digest(kept: Mapping[str, object]) -> bytes:
    sha256 = hashlib.sha256()
    for name in sorted(kept):
        value = kept[name]
        if isinstance(value, SharedTensor):
            sha256.update(repr((name, value.dtype, value.shape, value.data.nbytes)).encode())
            sha256.update(value.data.data)
        else:
            sha256.update(repr((name, value)).encode())
    return sha256.digest()
