"""What travels beside a statement, to those alone who may see it: what the disputed step reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..commitment import CommitmentBrokenError, Role
from ..dsse import Envelope
from ..encoding import MalformedError
from ..receipt import DecisionFile, Receipt, parse_input
from ..values import Input, Tensor


@dataclass(frozen=True, slots=True)
class OpenedInput:
    """A receipt's input, without its output."""

    KIND: ClassVar[str] = "opened-input/v1"
    receipt: Envelope
    input: bytes
    input_key: bytes

    @classmethod
    def of(cls, file: DecisionFile) -> OpenedInput:
        """Of a decision."""
        return cls(file.receipt, file.opening.input, file.opening.input_key)

    def check(self) -> Input:
        """What was committed. Raises CommitmentBrokenError; says nothing about the receipt's signature."""
        if not self.receipt.parse(Receipt).input.opens_to(Role.INPUT, self.input, self.input_key):
            raise CommitmentBrokenError("the input is not the one that the receipt commits to")
        return parse_input(self.input)


@dataclass(frozen=True, slots=True)
class Operands:
    """Tensors by name, as `part_name` gives them; and the decision's input where that is what is read."""

    KIND: ClassVar[str] = "operands/v1"
    tensors: tuple[Tensor, ...]
    opened: OpenedInput | None

    def __post_init__(self) -> None:
        names = [tensor.name for tensor in self.tensors]
        if len(set(names)) != len(names):
            raise MalformedError("operands stand once each")


def part_name(node: str, part: int) -> str:
    """One tensor of those that a node gives. No graph has a name with a space."""
    return f"{node} {part}"
