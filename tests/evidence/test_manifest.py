"""The manifest: every part named once, and the model id changes with every bit of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.encoding import MalformedError, decode, encode
from reperform.evidence.errors import ReperformError
from reperform.evidence.inputs import (
    AudioInput,
    CategoryColumn,
    ImageInput,
    Layout,
    Missing,
    NumberColumn,
    RecordInput,
    Size,
    TensorColumn,
    TensorsInput,
    TextInput,
)
from reperform.evidence.manifest import FileEntry, Manifest, TensorEntry, tensor_digest
from reperform.evidence.rules import Largest, Threshold
from reperform.evidence.values import Channels, DType
from reperform.tests.evidence.forge import altered, leaves, others
from reperform.tests.evidence.scene import MANIFEST

D = Digest(bytes(32))
NUMBER = NumberColumn("income", "monthly income", "0.0", "1.0")
CATEGORY = CategoryColumn("purpose", "what for", ("car", "house"))
IMAGE = ImageInput(
    3, 2, Channels.COLOUR, "BGR", Layout.CHANNELS_FIRST, "255.0", ("0.5", "0.25", "0.0"), ("1.0", "2.0", "0.5")
)
AUDIO = AudioInput(16000, 512, 160000, "32768.0")
TENSORS_AS_THEY_ARE = TensorsInput(
    (
        TensorColumn("left", "frames of the left side", DType.F32, ("frames", 4)),
        TensorColumn("right", "frames of the right side", DType.I64, ("frames",)),
    ),
    (Size("frames", 1, 99),),
)
TENSORS = tuple(TensorEntry(name, DType.F32, (2, 2), D) for name in ("a", "b"))
FULL = replace(
    MANIFEST,
    tensors=TENSORS,
    files=(FileEntry("tokenizer.json", D),),
    input=RecordInput((NUMBER, CATEGORY)),
)


def test_a_manifest_reads_back_as_it_was_written() -> None:
    for takes in (FULL.input, TextInput("tokenizer.json", 128), IMAGE, AUDIO, TENSORS_AS_THEY_ARE):
        for rule in (FULL.rule, None, Largest(("yes", "no"))):
            manifest = replace(FULL, input=takes, rule=rule)
            assert from_bytes(Manifest, to_bytes(manifest)) == manifest


def test_the_model_id_changes_with_every_field() -> None:
    document: Any = decode(to_bytes(FULL))
    ids, changes = {FULL.model_id}, 0
    for path, leaf in leaves(document):
        for other in others(leaf):
            try:
                manifest = from_bytes(Manifest, encode(altered(document, path, other)))
            except ReperformError:
                continue
            changes += 1
            ids.add(manifest.model_id)
    assert changes > 40
    assert len(ids) == changes + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors": TENSORS[::-1]},
        {"tensors": TENSORS[:1] * 2},
        {"files": (FileEntry("b", D), FileEntry("a", D))},
        {"files": (FileEntry("a", D),) * 2},
        {"outputs": ()},
        {"input": TextInput("absent.json", 128)},
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(FULL, **changes)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/etc/passwd", "..\\x", "C:x", "a\x00b", "a\nb", "-rf", ".hidden", "é", " a", "a ",
     "x" * 129, "a*", "~"],
)  # fmt: skip
def test_a_file_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(MalformedError, match="plain names"):
        replace(FULL, files=(FileEntry(name, D),))


def test_columns_that_cannot_be_encoded_are_refused() -> None:
    for broken in (
        lambda: replace(NUMBER, scale="0.0"),
        lambda: replace(NUMBER, scale="-1.0"),
        lambda: replace(NUMBER, scale="nan"),
        lambda: replace(NUMBER, mean="0"),
        lambda: replace(NUMBER, mean="1_0"),
        lambda: replace(NUMBER, missing=Missing.FILLED),
        lambda: replace(NUMBER, stand_in="0.0"),
        lambda: replace(NUMBER, missing=Missing.MARKED, stand_in=""),
        lambda: replace(CATEGORY, stand_in="boat"),
        lambda: replace(IMAGE, width=0),
        lambda: replace(IMAGE, order="RGA"),
        lambda: replace(IMAGE, order="RG"),
        lambda: replace(IMAGE, mean=("0.5",)),
        lambda: replace(IMAGE, scale=("1.0", "0.0", "1.0")),
        lambda: replace(IMAGE, divisor="-255.0"),
        lambda: replace(AUDIO, rate=0),
        lambda: replace(AUDIO, rate=10**9),
        lambda: replace(AUDIO, least=0),
        lambda: replace(AUDIO, most=511),
        lambda: replace(AUDIO, divisor="0.0"),
        lambda: Size("batch", 1, 2),
        lambda: Size("a b", 1, 2),
        lambda: Size("frames", 2, 1),
        lambda: replace(TENSORS_AS_THEY_ARE, tensors=()),
        lambda: replace(TENSORS_AS_THEY_ARE, sizes=()),
        lambda: replace(TENSORS_AS_THEY_ARE, sizes=(Size("frames", 1, 9),) * 2),
        lambda: replace(TENSORS_AS_THEY_ARE, tensors=TENSORS_AS_THEY_ARE.tensors[:1] * 2),
        lambda: TensorColumn("x", "", DType.F64, (2,)),
        lambda: TensorColumn("x", "", DType.F32, (0,)),
        lambda: TensorColumn("x", "", DType.F32, (2,) * 64),
        lambda: Largest(()),
        lambda: Largest(("yes", "yes")),
        lambda: replace(CATEGORY, categories=()),
        lambda: replace(CATEGORY, categories=("car", "car")),
        lambda: RecordInput(()),
        lambda: RecordInput((NUMBER, replace(CATEGORY, name="income"))),
        lambda: TextInput("t", 0),
        lambda: Threshold("0.50", "a", "b"),
        lambda: Threshold("inf", "a", "b"),
    ):
        with pytest.raises(MalformedError):
            broken()


def test_the_digest_of_a_tensor_depends_on_type_shape_and_bytes() -> None:
    data = bytes(16)
    digests = {
        tensor_digest(DType.F32, (2, 2), data),
        tensor_digest(DType.I32, (2, 2), data),
        tensor_digest(DType.F32, (4,), data),
        tensor_digest(DType.F32, (4, 1), data),
        tensor_digest(DType.F32, (), data),
        tensor_digest(DType.F32, (2, 2), data[:-1] + b"\x01"),
    }
    assert len(digests) == 6
    assert tensor_digest(DType.F32, (2, 2), memoryview(data)) in digests
