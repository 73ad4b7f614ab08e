"""From the byte-pair ranks of tiktoken to a tokenizer.json that gives the same tokens."""

from __future__ import annotations

from collections.abc import Mapping

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing

# tokenizer.json writes bytes as characters: those that can be seen as themselves, the others from U+0100 on (GPT-2).
_SEEN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in _SEEN]
_CHARACTER = {**{byte: chr(byte) for byte in _SEEN}, **{byte: chr(0x100 + i) for i, byte in enumerate(_HIDDEN)}}


def tokenizer_json(pattern: str, ranks: Mapping[bytes, int], start: tuple[str, int]) -> bytes:
    """A tokenizer that cuts a text with `pattern`, joins bytes by `ranks`, and puts the token `start` in front.

    tiktoken joins any two neighbours whose union has a rank, the lowest rank first: so each way to cut a token in two
    is a merge. Special tokens that are written in a text are text.
    """
    merges = [
        (_name(token[:cut]), _name(token[cut:]))
        for token in sorted(ranks, key=ranks.__getitem__)
        for cut in range(1, len(token))
        if token[:cut] in ranks and token[cut:] in ranks
    ]
    vocabulary = {_name(token): rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=True))
    cut, to_bytes = Split(Regex(pattern), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = Sequence([cut, to_bytes])
    tokenizer.post_processor = TemplateProcessing(single=f"{start[0]} $A", special_tokens=[start])
    text: str = tokenizer.to_str()
    return text.encode()


def _name(token: bytes) -> str:
    return "".join(map(_CHARACTER.__getitem__, token))
