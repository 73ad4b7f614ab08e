"""Texts to token ids, through a pinned tokenizer.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from tokenizers import Tokenizer

from ...evidence.encoding import MalformedError
from ...evidence.inputs import BATCH, TextInput
from ...evidence.values import DType, Input, Text
from ..refusal import InputError
from .encoder import REFUSED, Shape

TOKENS: Final = "tokens"


class TextEncoder:
    """Two int64 tensors [texts, longest]: ids and mask, 0 after a text's end."""

    takes = Text
    at_once = 32

    def __init__(self, spec: TextInput, files: Mapping[str, bytes]) -> None:
        self._max_tokens = spec.max_tokens
        self.signature: tuple[tuple[DType, Shape], ...] = ((DType.I64, (BATCH, TOKENS)),) * 2
        self.sizes = {TOKENS: (1, spec.max_tokens)}
        self._tokenizer = _tokenizer(spec.tokenizer, files[spec.tokenizer])

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
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError("the text has half of a surrogate pair, which is no character", advice=REFUSED) from None
        try:
            ids: list[int] = self._tokenizer.encode(text).ids
        except Exception:  # noqa: BLE001  # tokenizers raises Exception itself, and may quote the text
            raise InputError("the pinned tokenizer cannot read the text", advice=REFUSED) from None
        if not 0 < len(ids) <= self._max_tokens:
            limits = f"the model takes 1 to {self._max_tokens}"
            raise InputError(f"the text has {len(ids)} tokens; {limits}", advice=REFUSED)
        return ids


def _tokenizer(name: str, data: bytes) -> Tokenizer:
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(data.decode())
    except UnicodeDecodeError as error:
        raise MalformedError(f"{name} is not UTF-8 text") from error
    except Exception as error:  # tokenizers raises Exception itself, no subclass
        raise MalformedError(f"{name} is not a tokenizer: {error!s:.100}") from error
    # The file's own settings would cut or pad to a length that the manifest does not name.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
