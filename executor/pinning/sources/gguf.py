"""GGUF files (llama.cpp): weights in blocks of few bits, made float32 once, and a tokenizer as metadata.

What a quantised weight stands for is defined by its type: a scale times a small integer, plus an offset, in float32
(the package gguf, by llama.cpp's authors, computes it). Every such number is then pinned as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from tokenizers.decoders import ByteLevel
from tokenizers.models import BPE

from ..errors import PinError

# How a text is cut before byte pairs are joined, under llama.cpp's names (llama-vocab.cpp).
_CUTS: Final[Mapping[str, Sequence[pre_tokenizers.PreTokenizer]]] = {
    "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
}
_CONTROL: Final = 3  # llama.cpp's LLAMA_TOKEN_TYPE_CONTROL
_USER_DEFINED: Final = 4


@dataclass(frozen=True, slots=True)
class Gguf:
    """metadata: texts, numbers, booleans and lists of them. tensors: float32, sizes in torch's order."""

    metadata: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]


def read(path: Path) -> Gguf:
    """A GGUF file, all of it in memory. Raises PinError."""
    try:
        from gguf import GGUFReader  # noqa: PLC0415  # only to pin
        from gguf.quants import dequantize  # noqa: PLC0415
    except ImportError as error:
        raise PinError("reading GGUF needs the package gguf", advice="pip install 'reperform[gguf]'") from error
    try:
        reader = GGUFReader(path)
        metadata = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {}
        for tensor in reader.tensors:
            values = dequantize(tensor.data, tensor.tensor_type)
            sizes = [int(size) for size in reversed(tensor.shape)]
            tensors[tensor.name] = torch.from_numpy(np.array(values, np.float32)).reshape(sizes)
    except NotImplementedError as error:
        advice = "take the model in another quantisation"
        raise PinError(f"{path.name} holds tensors of a type that is not read: {error}", advice=advice) from error
    except (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, OverflowError) as error:
        raise PinError(f"{path.name} is no readable GGUF file: {error!s:.200}") from error
    return Gguf(metadata, tensors)


def tokenizer_json(metadata: Mapping[str, Any]) -> bytes:
    """The tokenizer that the metadata describe. Raises PinError for a kind of it that is not known here."""
    kind, cut = (str(metadata.get(f"tokenizer.ggml.{name}")) for name in ("model", "pre"))
    if kind != "gpt2" or cut not in _CUTS:
        raise PinError(
            f"the GGUF tokenizer is {kind:.40} with pre-tokenizer {cut:.40}; known is gpt2 with {' or '.join(_CUTS)}",
            advice="take tokenizer.json from where the model was first published",
        )
    if metadata.get("tokenizer.ggml.add_bos_token") or metadata.get("tokenizer.ggml.add_eos_token"):
        raise PinError("the GGUF tokenizer adds tokens of its own, which is not taken over")
    try:
        tokens, kinds, merges = (metadata[f"tokenizer.ggml.{name}"] for name in ("tokens", "token_type", "merges"))
    except KeyError as error:
        raise PinError(f"the GGUF file has no {error.args[0]}") from error
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(list(_CUTS[cut]))
    tokenizer.decoder = ByteLevel()
    for token, kind_of_token in zip(tokens, kinds, strict=True):
        if kind_of_token in (_CONTROL, _USER_DEFINED):
            tokenizer.add_tokens([AddedToken(token, special=kind_of_token == _CONTROL, normalized=False)])
    text: str = tokenizer.to_str()
    return text.encode()
