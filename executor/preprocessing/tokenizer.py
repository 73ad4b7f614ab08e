"""Reads a pinned tokenizer.json, which may be hostile: what could take very long, much memory, or chance is refused.

Regular expressions backtrack, and one made for it takes hours over a short text, so only those that well-known
tokenizers have are read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from tokenizers import Tokenizer

from ...evidence.encoding import MalformedError

# The largest of well-known models has 35 MB.
MAX_BYTES: Final = 64 * 1024 * 1024
# How many characters all replacements together may make of one; NFKC makes 18 of "ﷺ", as UTF-8 33 bytes.
MAX_GROWTH: Final = 256
# WordPiece tries all ends of all parts of a word; BERT's own limit is 100.
MAX_WORD: Final = 1000

_ENGLISH: Final = "'s|'t|'re|'ve|'m|'ll|'d"
_ANY_CASE: Final = f"(?i:{_ENGLISH})|[^\\r\\n\\p{{L}}\\p{{N}}]?\\p{{L}}+|"
_REST: Final = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
_TIKTOKEN: Final = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|"
_TIKTOKEN_REST: Final = "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
_UPPER, _LOWER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
_SUFFIX: Final = f"(?i:{_ENGLISH})?"

PATTERNS: Final = frozenset(
    {
        f"{_ENGLISH}| ?\\p{{L}}+| ?\\p{{N}}+| ?[^\\s\\p{{L}}\\p{{N}}]+|\\s+(?!\\S)|\\s+",  # GPT-2
        f"{_ENGLISH}|[\\p{{L}}]+|[\\p{{N}}]|[^\\s\\p{{L}}\\p{{N}}]+",  # CLIP
        f"{_ANY_CASE}\\p{{N}}{{1,3}}{_REST}",  # GPT-4, Llama 3
        f"{_ANY_CASE}\\p{{N}}{_REST}",  # Qwen 2
        f"{_TIKTOKEN}\\p{{N}}{{1,3}}{_TIKTOKEN_REST}",  # GPT-4, as tiktoken has it
        f"{_TIKTOKEN}\\p{{N}}{{1,2}}{_TIKTOKEN_REST}",  # nanochat
        f"[^\\r\\n\\p{{L}}\\p{{N}}]?{_UPPER}*{_LOWER}+{_SUFFIX}|[^\\r\\n\\p{{L}}\\p{{N}}]?{_UPPER}+{_LOWER}*{_SUFFIX}|"
        "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",  # GPT-4o
        "\\p{N}{1,3}",
        "\\p{N}",
        "\\d",
        "[0-9]",
        "[0-9][0-9][0-9]",
        "\\s",
        "\\s+",
        " {2,}",
        "[\\r\\n]",
        "\\n",
    }
)


def read_tokenizer(name: str, data: bytes) -> Tokenizer:
    """The tokenizer of a file. Raises MalformedError, naming the file."""
    if len(data) > MAX_BYTES:
        raise MalformedError(f"{name} has {len(data)} bytes; the limit is {MAX_BYTES}")
    try:
        text = data.decode()
        _check(json.loads(text, object_pairs_hook=_unique))
    except UnicodeDecodeError as error:
        raise MalformedError(f"{name} is not UTF-8 text") from error
    except MalformedError as error:
        raise MalformedError(f"{name}: {error.cause}", advice=error.advice) from error
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{name} is not JSON: {error!s:.100}") from error
    return _read(name, text)


def _read(name: str, text: str) -> Tokenizer:
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(text)
    except (KeyboardInterrupt, SystemExit):
        raise
    # tokenizers raises Exception itself, no subclass, and what panics in it is past Exception.
    except BaseException as error:  # noqa: BLE001
        words = " ".join(ascii(str(error))[1:-1].split())
        raise MalformedError(f"{name} is not a tokenizer: {words:.100}") from None
    # The file's own settings would cut or pad to a length that the manifest does not name.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _check(body: Any) -> None:
    growth = 1
    for part in _parts(body):
        pattern = part.get("pattern")
        expression = pattern.get("Regex") if isinstance(pattern, dict) else None
        if expression is not None and expression not in PATTERNS:
            advice = (
                "only those of well-known tokenizers are read: ask for this one, if it takes no long time on any text"
            )
            raise MalformedError(f"the regular expression {expression!a:.80} is not a known one", advice=advice)
        growth *= _growth(part, pattern) * _precompiled(part)
        if growth > MAX_GROWTH:
            raise MalformedError(f"its replacements make more than {MAX_GROWTH} characters of one")
        if len(str(part.get("prepend"))) > MAX_GROWTH:
            raise MalformedError(f"it puts more than {MAX_GROWTH} characters before a text")
        if part.get("dropout"):
            raise MalformedError(
                "it leaves out merges by chance (dropout)", advice="set dropout to null, and pin again"
            )
        word = part.get("max_input_chars_per_word")
        if word is not None and not (type(word) is int and 0 <= word <= MAX_WORD):
            raise MalformedError(f"its max_input_chars_per_word is more than {MAX_WORD}")


def _growth(part: dict[str, Any], pattern: Any) -> int:
    """How many characters a replacement can make of one."""
    content = part.get("content")
    if pattern is None or not isinstance(content, str):
        return 1
    literal = pattern.get("String") if isinstance(pattern, dict) else pattern
    if isinstance(literal, str) and literal:
        return max(1, -(-len(content) // len(literal)))
    return len(content) + 1


def _precompiled(part: dict[str, Any]) -> int:
    """The same of SentencePiece's table: the size of a trie, the trie, and what it leads to, each ended by a zero."""
    table = part.get("precompiled_charsmap")
    if not isinstance(table, str):
        return 1
    data = base64.b64decode(table)
    trie = int.from_bytes(data[:4], "little") // 4 * 4
    return max(1, *map(len, data[4 + trie :].split(b"\x00")))


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries in a JSON document, without vocabularies."""
    if isinstance(value, dict):
        yield value
        value = [item for key, item in value.items() if key not in {"vocab", "merges"}]
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _parts(item)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two values counts is not the same for all readers.
    body = dict(pairs)
    if len(body) != len(pairs):
        raise MalformedError("it has a key twice")
    return body
