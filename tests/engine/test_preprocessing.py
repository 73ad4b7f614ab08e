"""Records and texts become tensors exactly as the manifest says, or are refused without echoing the value."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.errors import ReperformError
from reperform.evidence.inputs import CategoryColumn, Missing, NumberColumn, RecordInput, TextInput
from reperform.evidence.values import Record, Text
from reperform.executor.model import PinnedModel
from reperform.executor.preprocessing.records import RecordEncoder
from reperform.executor.preprocessing.texts import TextEncoder
from reperform.executor.refusal import InputError

SPEC = RecordInput(
    (
        NumberColumn("income", "monthly", "3.1", "0.7"),
        CategoryColumn("kind", "of house", ("flat", "house")),
        NumberColumn("debts", "", "0.0", "1e-30", missing=Missing.FILLED, stand_in="12.5"),
    )
)
ROW: dict[str, str | None] = {"income": "1234.5", "kind": "flat", "debts": None}
SECRET = "987.654e3x"


def test_a_row_is_computed_in_binary64_and_rounded_once() -> None:
    (x,) = RecordEncoder(SPEC).tensors([Record.of(ROW)])
    income = (np.float64(1234.5) - np.float64(3.1)) / np.float64(0.7)
    debts = np.float64(12.5) / np.float64(1e-30)
    assert x.numpy().tobytes() == np.array([[income, 1, 0, debts]]).astype(np.float32).tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"income": None}, "'income' has no value"),
        ({"income": SECRET}, "'income' has a value that is not a finite number"),
        ({"income": "nan"}, "'income' has a value that is not a finite number"),
        ({"income": "1e999"}, "'income' has a value that is not a finite number"),
        ({"income": ""}, "'income' has a value that is not a finite number"),
        ({"income": "1_000"}, "'income' has a value that is not a finite number"),
        ({"income": "-1e308"}, "'income' has a value too large"),
        ({"debts": "1e20"}, "'debts' has a value too large"),
        ({"kind": SECRET}, "'kind' has a category that the model does not know"),
        ({"kind": None}, "'kind' has no value"),
        ({"race": "any"}, "'race' is not one that the model declares"),
    ],
)
def test_a_record_is_refused_by_column_and_its_value_is_not_repeated(change: dict[str, str | None], words: str) -> None:
    with pytest.raises(InputError) as refusal:
        RecordEncoder(SPEC).tensors([Record.of(ROW), Record.of({**ROW, **change})])
    assert words in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_column_left_out_is_named() -> None:
    with pytest.raises(InputError, match="'debts' is not in the record"):
        RecordEncoder(SPEC).tensors([Record.of({"income": "1", "kind": "flat"})])


@given(st.dictionaries(st.sampled_from(["income", "kind", "debts", "x"]), st.none() | st.text(max_size=8)))
@settings(deadline=None)
def test_any_row_gives_a_row_or_our_error(row: dict[str, str | None]) -> None:
    try:
        (x,) = RecordEncoder(SPEC).tensors([Record.of(row)])
    except ReperformError:
        return
    assert x.shape == (1, 4)
    assert bool(x.isfinite().all())


@pytest.fixture(scope="module")
def tokenizer(encoder: Path) -> bytes:
    return (encoder / "tokenizer.json").read_bytes()


def _texts(tokenizer: bytes, max_tokens: int = 256) -> TextEncoder:
    return TextEncoder(TextInput("tokenizer.json", max_tokens), {"tokenizer.json": tokenizer})


def test_texts_are_padded_to_the_longest_of_the_batch_and_no_further(tokenizer: bytes) -> None:
    settings = json.loads(tokenizer)
    assert settings["padding"]["strategy"] == {"Fixed": 128}
    assert settings["truncation"]["max_length"] == 128
    ids, mask = _texts(tokenizer).tensors([Text("declined"), Text("the loan was declined")])
    assert ids.tolist() == [[101, 6430, 102, 0, 0, 0], [101, 1996, 5414, 2001, 6430, 102]]
    assert mask.tolist() == [[1, 1, 1, 0, 0, 0], [1] * 6]


def test_a_text_is_never_cut(tokenizer: bytes) -> None:
    ids, _ = _texts(tokenizer).tensors([Text("a " * 254)])
    assert ids.shape == (1, 256)
    with pytest.raises(InputError, match="257 tokens; the model takes 1 to 256"):
        _texts(tokenizer).tensors([Text("a " * 255)])


def test_half_a_surrogate_pair_is_refused_and_not_repeated(tokenizer: bytes) -> None:
    with pytest.raises(InputError, match="surrogate") as refusal:
        _texts(tokenizer).tensors([Text("secret \ud800")])
    assert "secret" not in str(refusal.value)


def test_the_empty_text_is_a_text(tokenizer: bytes) -> None:
    assert _texts(tokenizer).tensors([Text("")])[0].tolist() == [[101, 102]]


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_gives_tokens_or_our_error(text: str) -> None:
    with contextlib.suppress(ReperformError):
        _texts(SMALL).tensors([Text(text)])


SMALL = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "loan": 1}, "unk_token": "[UNK]"},
    }
).encode()


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(deadline=None)
def test_a_mutated_tokenizer_raises_nothing_but_our_errors(at: int, byte: int) -> None:
    at %= len(SMALL)
    with contextlib.suppress(ReperformError):
        _texts(SMALL[:at] + bytes([byte]) + SMALL[at + 1 :]).tensors([Text("a loan")])


def test_an_input_of_the_other_kind_is_refused(scorer: PinnedModel) -> None:
    with pytest.raises(InputError, match="input 0 is of kind text; this model takes record"):
        scorer.run([Text("please")])
