"""An ensemble of decision trees as a torch module of comparisons and table look-ups (docs/arithmetic.md §7).

All trees are walked at once, one level at a time. Up to the leaves everything is exact; leaf values are float64, and
in portable-1 their sum is Sum64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from torch import nn

from ..errors import PinError
from .trees import LEAF, Array, Comparison, Feature, Membership, Number, Tree, check, columns, float32_thresholds


class Link(StrEnum):
    """From the raw outputs, float32, to what is given out."""

    IDENTITY = "identity"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"
    EXP = "exp"


LINKS: Final[Mapping[Link, Callable[[torch.Tensor], torch.Tensor]]] = MappingProxyType(
    {
        Link.IDENTITY: lambda raw: raw,
        Link.SIGMOID: torch.sigmoid,
        Link.SOFTMAX: lambda raw: torch.softmax(raw, 1),
        Link.EXP: torch.exp,
    }
)


class Ensemble(nn.Module):
    """Rows float32 [batch, width] to float32 [batch, outputs], or [batch] if there is one output.

    The raw outputs are the sum over the trees, or their mean, plus `base`, float64, one for each output; then the
    link. With `groups` above 1, tree t adds its one value to output t mod groups alone. Raises PinError for what is
    no ensemble of trees.
    """

    roots: torch.Tensor
    column: torch.Tensor
    threshold: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    value: torch.Tensor
    base: torch.Tensor
    element: torch.Tensor
    mark: torch.Tensor
    has_mark: torch.Tensor
    zero: torch.Tensor
    side: torch.Tensor
    one_hot: torch.Tensor
    member: torch.Tensor

    def __init__(
        self,
        trees: Sequence[Tree],
        features: Sequence[Feature],
        *,
        comparison: Comparison,
        base: Sequence[float] = (0.0,),
        groups: int = 1,
        mean: bool = False,
        link: Link = Link.IDENTITY,
    ) -> None:
        super().__init__()
        depths = [check(tree, len(features)) for tree in trees]
        widths = {tree.value.shape[1] for tree in trees}
        if not trees or len(trees) % groups or widths != {len(base) // groups} or len(base) % groups:
            raise PinError(f"{len(trees)} trees in {groups} groups do not give {len(base)} outputs")
        self.depth, self.outputs, self.mean, self.link = max(depths), len(base), mean, link
        firsts = np.cumsum([0, *(len(tree.feature) for tree in trees)])[:-1]
        column, numbers, sets = columns(trees, features)
        self._keep("roots", firsts)
        self._keep("column", column)
        self._keep("threshold", float32_thresholds(np.concatenate([t.threshold for t in trees]), comparison))
        self._keep("left", np.concatenate([_children(t.left, first) for t, first in zip(trees, firsts, strict=True)]))
        self._keep("right", np.concatenate([_children(t.right, first) for t, first in zip(trees, firsts, strict=True)]))
        self._keep("value", np.concatenate([np.where(t.inner[:, None], 0.0, t.value) for t in trees]))
        self._keep("base", np.asarray(base, np.float64))
        self._keep_numbers(numbers)
        self._keep_sets([set_ for set_ in (features[i] for i in sets) if isinstance(set_, Membership)])

    def forward(self, row: torch.Tensor) -> torch.Tensor:
        """float32 [batch, width] to float32 [batch, outputs], or [batch]."""
        at = self.roots.expand(row.shape[0], -1)
        if self.depth:
            features = self._features(row)
            for _ in range(self.depth):
                goes_left = features.gather(1, self.column[at]) <= self.threshold[at]
                at = torch.where(goes_left, self.left[at], self.right[at])
        leaves = self.value[at].reshape(row.shape[0], -1, self.outputs)
        raw = (leaves.mean(1) if self.mean else leaves.sum(1)) + self.base
        given = LINKS[self.link](raw.to(torch.float32))
        return given.squeeze(1) if self.outputs == 1 else given

    def _features(self, row: torch.Tensor) -> torch.Tensor:
        """What nodes compare, float32 [batch, columns]: a missing number is -inf where it goes left, else +inf."""
        parts = []
        if len(self.element):
            numbers = row.index_select(1, self.element)
            marked = (row.index_select(1, self.mark) > 0) & self.has_mark
            parts.append(torch.where(marked | (numbers.abs() <= self.zero), self.side, numbers))
        if len(self.member):
            # Zeros and ones, whose sums are exact.
            parts.append(nn.functional.linear(row.index_select(1, self.one_hot), self.member))
        return torch.cat(parts, 1)

    def _keep_numbers(self, numbers: Sequence[tuple[Number, bool]]) -> None:
        self._keep("element", np.array([number.element for number, _ in numbers], np.int64))
        self._keep("mark", np.array([number.mark or 0 for number, _ in numbers], np.int64))
        self._keep("has_mark", np.array([number.mark is not None for number, _ in numbers], bool))
        # No magnitude is below zero.
        self._keep("zero", np.array([-1 if n.zero is None else n.zero for n, _ in numbers], np.float32))
        self._keep("side", np.array([-np.inf if left else np.inf for _, left in numbers], np.float32))

    def _keep_sets(self, sets: Sequence[Membership]) -> None:
        one_hot = sorted({element for members in sets for element in members.elements})
        member = [np.isin(one_hot, members.elements) for members in sets]
        self._keep("one_hot", np.array(one_hot, np.int64))
        self._keep("member", np.array(member, np.float32).reshape(len(sets), len(one_hot)))

    def _keep(self, name: str, table: Array) -> None:
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)))


def _children(children: Array, first: int) -> Array:
    """Over the nodes of all trees, and a leaf its own child: a row that is there stays there."""
    return np.where(children == LEAF, np.arange(len(children)), children) + first
