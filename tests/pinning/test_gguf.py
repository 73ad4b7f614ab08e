"""GGUF files, written by the package gguf, and what their blocks stand for, computed here from the bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.quants import quantize
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.sources.gguf import read, tokenizer_json
from tokenizers import Tokenizer

WIDTH, BLOCK = 64, 32
Q = gguf.GGMLQuantizationType
TOKENS = ["<|end|>", "a", "b", "1", "2", "Ġ", "ab", "Ġab", "12"]
METADATA: dict[str, Any] = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3] + [1] * (len(TOKENS) - 1),
    "tokenizer.ggml.merges": ["a b", "Ġ ab", "1 2"],
}


def numbers(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0.1, 1, (rows, WIDTH)).astype(np.float32)


def written(path: Path, kind: gguf.GGMLQuantizationType, values: np.ndarray) -> np.ndarray:
    """The file, and the bytes of the one tensor in it."""
    data: np.ndarray = quantize(values, kind)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("llama.block_count", 30)
    writer.add_tensor("blk.0.attn_q.weight", data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return data


def q4_1(data: np.ndarray) -> np.ndarray:
    """Blocks of scale and offset (float16) and 32 numbers of 4 bits, the low halves of 16 bytes first."""
    blocks = data.reshape(-1, 4 + BLOCK // 2)
    scale, offset = blocks[:, :4].copy().view(np.float16).astype(np.float64).T
    low, high = blocks[:, 4:] & 15, blocks[:, 4:] >> 4
    steps = np.concatenate([low, high], 1).astype(np.float64)
    # Exact in binary64, so rounded once.
    values: np.ndarray = (scale[:, None] * steps + offset[:, None]).astype(np.float32)
    return values.reshape(-1, WIDTH)


def q8_0(data: np.ndarray) -> np.ndarray:
    """Blocks of a scale (float16) and 32 numbers of 8 bits."""
    blocks = data.reshape(-1, 2 + BLOCK)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float64)
    values: np.ndarray = (scale * blocks[:, 2:].copy().view(np.int8)).astype(np.float32)
    return values.reshape(-1, WIDTH)


@pytest.mark.parametrize(("kind", "values_of"), [(Q.Q4_1, q4_1), (Q.Q8_0, q8_0)])
def test_blocks_are_what_their_bytes_say(tmp_path: Path, kind: Any, values_of: Any) -> None:
    data = written(path := tmp_path / "model.gguf", kind, values := numbers(5))
    found = read(path)
    (tensor,) = found.tensors.values()
    assert list(found.tensors) == ["blk.0.attn_q.weight"]
    assert tensor.numpy().tobytes() == values_of(data).tobytes()
    assert np.abs(tensor.numpy() - values).max() < 0.3
    assert found.metadata["llama.block_count"] == 30


def test_plain_numbers_stay_as_they_are(tmp_path: Path) -> None:
    written(path := tmp_path / "model.gguf", Q.F32, values := numbers(3))
    assert read(path).tensors["blk.0.attn_q.weight"].numpy().tobytes() == values.tobytes()


@pytest.mark.parametrize("keep", [0, 3, 20, 90])
def test_a_file_that_is_cut_is_refused(tmp_path: Path, keep: int) -> None:
    written(path := tmp_path / "model.gguf", Q.F32, numbers(3))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PinError, match=r"model\.gguf is no readable GGUF file"):
        read(path)


def test_the_tokenizer_joins_bytes_but_not_digits() -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json(METADATA).decode())
    assert tokenizer.encode("ab ab12<|end|>a").tokens == ["ab", "Ġab", "1", "2", "<|end|>", "a"]
    plain = Tokenizer.from_str(tokenizer_json(METADATA | {"tokenizer.ggml.pre": "gpt-2"}).decode())
    assert plain.encode("ab 12").tokens == ["ab", "Ġ", "12"]
    assert tokenizer.decode(tokenizer.encode("ab ab12").ids) == "ab ab12"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"tokenizer.ggml.model": "llama"}, "the GGUF tokenizer is llama"),
        ({"tokenizer.ggml.pre": "unheard-of"}, "with pre-tokenizer unheard-of"),
        ({"tokenizer.ggml.add_bos_token": True}, "adds tokens of its own"),
    ],
)
def test_a_tokenizer_that_is_not_known_is_refused(change: dict[str, Any], cause: str) -> None:
    with pytest.raises(PinError, match=cause):
        tokenizer_json(METADATA | change)
    with pytest.raises(PinError, match="has no tokenizer"):
        tokenizer_json({key: value for key, value in METADATA.items() if key != "tokenizer.ggml.merges"})
