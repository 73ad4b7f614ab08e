"""Texts to token ids, through a pinned tokenizer.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch

from ...evidence.inputs import BATCH, TextInput
from ...evidence.values import DType, Input, Text
from ..refusal import InputError
from .encoder import REFUSED, Shape
from .tokenizer import read_tokenizer

TOKENS: Final = "tokens"
# Some 250,000 tokens; bounds what a hostile tokenizer can make of them.
MAX_CHARACTERS: Final = 1 << 20


class TextEncoder:
    """Two int64 tensors [texts, longest]: ids and mask, 0 after a text's end."""

    takes = Text
    at_once = 32

    def __init__(self, spec: TextInput, files: Mapping[str, bytes]) -> None:
        self._max_tokens = spec.max_tokens
        self.signature: tuple[tuple[DType, Shape], ...] = ((DType.I64, (BATCH, TOKENS)),) * 2
        self.sizes = {TOKENS: (1, spec.max_tokens)}
        self._tokenizer = read_tokenizer(spec.tokenizer, files[spec.tokenizer])

    def alike(self, _: Input) -> tuple[int, ...]:
        """Texts of all lengths run together, padded."""
        return ()

    def tensors(self, texts: Sequence[Text]) -> tuple[torch.Tensor, ...]:
        """Ids and mask. Raises InputError."""
        rows = [self._ids(text.text) for text in texts]
        shape = (len(rows), max(map(len, rows)))
        ids, mask = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[i, : len(row)] = 1
        return ids, mask

    def _ids(self, text: str) -> list[int]:
        if len(text) > MAX_CHARACTERS:
            raise InputError(f"the text has {len(text)} characters; the limit is {MAX_CHARACTERS}", advice=REFUSED)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError("the text has half of a surrogate pair, which is no character", advice=REFUSED) from None
        try:
            ids: list[int] = self._tokenizer.encode(text).ids
        except (KeyboardInterrupt, SystemExit):
            raise
        # tokenizers raises Exception itself, and may quote the text; what panics in it is past Exception.
        except BaseException:  # noqa: BLE001
            raise InputError("the pinned tokenizer cannot read the text", advice=REFUSED) from None
        if not 0 < len(ids) <= self._max_tokens:
            limits = f"the model takes 1 to {self._max_tokens}"
            raise InputError(f"the text has {len(ids)} tokens; {limits}", advice=REFUSED)
        return ids
