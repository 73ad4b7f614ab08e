"""Weights in one file or many: as they were written and pinned, or refused with what is wrong."""

from __future__ import annotations

import json
import shutil
import stat
import struct
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.manifest import TensorEntry, tensor_digest
from reperform.evidence.values import Record
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from reperform.executor.shards import WEIGHTS, planned
from reperform.executor.tensors import DTYPE, TORCH_DTYPE, little_endian
from reperform.executor.weights import WeightsError, entries, load_weights, read_weights, serialize, write_weights
from reperform.replayer.pool.shared import SharedModel
from torch import Tensor, nn

SPEC = RecordInput(tuple(NumberColumn(name, "", "0.0", "1.0") for name in "abcd"))
EXAMPLES = [Record.of(dict(zip("abcd", row, strict=True))) for row in ("1234", "0917")]


def bits(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size, bytes]]:
    return {name: (tensor.dtype, tensor.shape, little_endian(tensor)) for name, tensor in tensors.items()}


@st.composite
def tensor(draw: st.DrawFn) -> Tensor:
    dtype = draw(st.sampled_from(sorted(DTYPE, key=str)))
    shape = draw(st.lists(st.integers(0, 5), max_size=3))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    return torch.randint(0, 2, shape, generator=seed).to(dtype)


@given(tensors=st.dictionaries(st.text(min_size=1, max_size=9), tensor(), max_size=6), limit=st.integers(1, 500))
@settings(max_examples=60)
def test_weights_come_back_bit_for_bit_from_as_few_files_as_the_limit_allows(
    tensors: dict[str, Tensor], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, described = tmp_path_factory.mktemp("weights"), entries(tensors)
    write_weights(folder, tensors, described, limit)
    assert bits(load_weights(folder, described)) == bits(tensors)
    plan = planned(described, limit)
    assert {path.name for path in folder.iterdir()} == plan.keys()
    assert [entry for part in plan.values() for entry in part] == list(described)
    sizes = [[entry.nbytes for entry in part] for part in plan.values()]
    assert all(sum(part) <= limit or len([n for n in part if n]) == 1 for part in sizes)
    assert all(sum(part) + after[0] > limit for part, after in pairwise(sizes))


def test_the_digest_is_that_of_the_bytes_however_they_lie_in_memory() -> None:
    block = torch.arange(24.0).reshape(4, 6)
    for one in (block, block.T, block[1:3, ::2], block[:1].expand(3, 6), block[0, 0]):
        (entry,) = entries({"x": one})
        assert entry.digest == tensor_digest(entry.dtype, entry.shape, little_endian(one))
        assert entry.digest == tensor_digest(entry.dtype, entry.shape, bytes(one.contiguous().numpy()))


def test_tensors_that_share_memory_are_written_as_their_own(tmp_path: Path) -> None:
    block = torch.arange(24.0)
    tensors = {
        "all": block,
        "same": block.view(torch.int32),
        "slice": block[3:9],
        "turned": block.view(4, 6).T,
        "wide": block[:1].expand(3, 7),
    }
    described = entries(tensors)
    write_weights(tmp_path, tensors, described)
    assert bits(load_weights(tmp_path, described)) == bits(tensors)


def test_what_is_written_is_the_plain_file_of_the_format_and_read_only(tmp_path: Path) -> None:
    tensors = {"b": torch.ones(3, dtype=torch.float16), "a": torch.arange(4), "c": torch.tensor(2.5)}
    write_weights(tmp_path, tensors, entries(tensors))
    assert (tmp_path / WEIGHTS).read_bytes() == serialize(tensors)
    assert stat.S_IMODE((tmp_path / WEIGHTS).stat().st_mode) == 0o444


def test_a_disk_without_room_is_an_error_and_not_a_model(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(4)}
    (tmp_path / WEIGHTS / "in the way").mkdir(parents=True)
    with pytest.raises(WeightsError, match="cannot be written"):
        write_weights(tmp_path, tensors, entries(tensors))


# Hostile files -------------------------------------------------------------------------------------------------------


def of(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def file(header: Mapping[str, Any], size: int, *, length: int | None = None, padded: bool = True) -> bytes:
    """A header, and as many bytes of data; `length` is what it says of its own length."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8 + (0 if padded else 1))
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(range(1, size + 1))


FINE = {"a": of([2], 0, 8)}
HOSTILE: dict[str, tuple[bytes, str]] = {
    "overlap": (file({"a": of([2], 0, 8), "b": of([2], 4, 12)}, 12), "invalid offset"),
    "the same bytes twice": (file({"a": of([2], 0, 8), "b": of([2], 0, 8)}, 8), "invalid offset"),
    "a hole": (file({"a": of([2], 0, 8), "b": of([2], 12, 20)}, 20), "invalid offset"),
    "a hole at the start": (file({"a": of([2], 4, 12)}, 12), "invalid offset"),
    "bytes of nobody": (file(FINE, 12), "not fully covered"),
    "truncated": (file(FINE, 8)[:-1], "not fully covered"),
    "out of range": (file({"a": of([2], 0, 8), "b": of([2], 8, 16)}, 8), "not fully covered"),
    "backwards": (file({"a": of([2], 8, 0)}, 8), "invalid offset"),
    "before the file": (file({"a": of([2], -8, 0)}, 8), "invalid JSON"),
    "a size below zero": (file({"a": of([-2], 0, 8)}, 8), "invalid JSON"),
    "a size that is no integer": (file(FINE, 8).replace(b"[2]", b"2.0"), "invalid JSON"),
    "a size past 64 bits": (file({"a": of([2**64], 0, 8)}, 8), "invalid JSON"),
    "a product past 64 bits": (file({"a": of([2**33, 2**33], 0, 8)}, 8), "overflow"),
    "a product that wraps to zero": (file({"a": of([2**62, 4], 0, 0)}, 0), "overflow"),
    "bytes that wrap to none": (file({"a": of([2**62], 0, 0)}, 0), "overflow"),
    "more than the file": (file({"a": of([2**40], 0, 2**42)}, 8), "not fully covered"),
    "a header past the file": (file(FINE, 8, length=5000), "is not a safetensors file"),
    "a header past 63 bits": (file(FINE, 8, length=2**63), "is not a safetensors file"),
    "a header past 64 bits with its own length": (file(FINE, 8, length=2**64 - 1), "is not a safetensors file"),
    "a header cut short": (file(FINE, 8, length=40), "is not a safetensors file"),
    "empty": (b"", "is not a safetensors file"),
    "an unknown type": (file({"a": of([2], 0, 8, "F99")}, 8), "invalid JSON"),
    "another type": (file({"a": of([2], 0, 8, "I32")}, 8), r"tensor 'a' is I32 \[2\], the manifest says F32 \[2\]"),
    "a type that no manifest has": (file({"a": of([8], 0, 8, "I8")}, 8), r"tensor 'a' is torch.int8 \[8\]"),
    "a truth value of 2": (file({"a": of([2], 0, 8), "t": of([2], 8, 10, "BOOL")}, 10), "neither 0 nor 1"),
    "another shape": (file({"a": of([1, 2], 0, 8)}, 8), r"is F32 \[1, 2\]"),
    "nothing, in a large shape": (
        file({"a": of([0, 2**62], 0, 0)}, 0),
        r"tensor 'a' is F32 \[0, 4611686018427387904\]",
    ),
    "a tensor too many": (file({"a": of([2], 0, 8), "z": of([1], 8, 12)}, 12), "there is a tensor 'z'"),
    "a tensor too few": (file({}, 0), "tensor 'a' is missing"),
    "another value": (file(FINE, 9)[:-9] + bytes(8), "its digest differs"),
}


def expected(data: bytes) -> tuple[TensorEntry, ...]:
    """What a manifest says that has `a` in these bytes, and `t` if they have it."""
    described = entries({"a": torch.frombuffer(bytearray(range(1, 9)), dtype=torch.float32)})
    flags = entries({"t": torch.frombuffer(bytearray([9, 10]), dtype=torch.uint8).view(torch.bool)})
    return described + (flags if b'"t"' in data else ())


@pytest.mark.parametrize(("data", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(data)
    with pytest.raises(WeightsError, match=words) as refusal:
        load_weights(tmp_path, expected(data))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_a_file_whose_elements_lie_at_odd_places_is_read_as_well(tmp_path: Path) -> None:
    data = file(FINE, 8, padded=False)
    (tmp_path / WEIGHTS).write_bytes(data)
    found = load_weights(tmp_path, expected(data))["a"]
    assert little_endian(found) == bytes(range(1, 9))
    assert found.data_ptr() % found.element_size() == 0
    assert read_weights(tmp_path)["a"].data_ptr() % found.element_size() != 0


# Sets of files -------------------------------------------------------------------------------------------------------

TENSORS = {name: torch.full((4,), float(i)) for i, name in enumerate("abc")}
ONE, TWO, THREE = (f"weights-0000{i}-of-00003.safetensors" for i in (1, 2, 3))


def copied(name: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copy(folder / ONE, folder / name)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("x")))


SETS: dict[str, tuple[Callable[[Path], object], str]] = {
    "the first is missing": (lambda f: (f / ONE).unlink(), f"{ONE} is missing, beside {TWO}"),
    "the last is missing": (lambda f: (f / THREE).unlink(), f"{THREE} is missing"),
    "one file besides": (copied(WEIGHTS), "are not of one set of weights"),
    "one of another set": (copied("weights-00001-of-00004.safetensors"), "weights-00001-of-00004.* are not of one set"),
    "one before the first": (copied("weights-00000-of-00003.safetensors"), "weights-00000-of-00003.* are not of one"),
    "one past the last": (copied("weights-00004-of-00003.safetensors"), "weights-00004-of-00003.* are not of one set"),
    "a set of none": (copied("weights-00000-of-00000.safetensors"), "are not of one set"),
    "a tensor in two files": (copied(TWO), f"{TWO} has the tensor 'a', as a file before it"),
    "a cut file": (lambda f: (f / TWO).write_bytes((f / THREE).read_bytes()[:-1]), f"{TWO} is not a safetensors file"),
    "a folder for a file": (lambda f: a_folder(f / TWO), f"{TWO} cannot be read"),
    "a link for a file": (lambda f: a_link(f / TWO), f"{TWO} cannot be read"),
}


@pytest.mark.parametrize(("change", "words"), SETS.values(), ids=SETS.keys())
def test_files_that_are_not_one_whole_set_are_refused(
    change: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    described = entries(TENSORS)
    write_weights(tmp_path, TENSORS, described, limit=16)
    assert bits(load_weights(tmp_path, described)) == bits(TENSORS)
    (tmp_path / TWO).chmod(0o644)
    change(tmp_path)
    with pytest.raises(WeightsError, match=words):
        load_weights(tmp_path, described)


def test_a_model_in_many_files_is_the_same_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    candidate = Candidate("test", module, EXAMPLES, SPEC, ("y",))
    assert pin(candidate, tmp_path / "one") == pin(candidate, tmp_path / "many", shard=20)
    assert len(list((tmp_path / "many").glob("weights-*-of-00003.safetensors"))) == 3
    one, many = (PinnedModel.load(tmp_path / name) for name in ("one", "many"))
    shared = PinnedModel.of(SharedModel.of(tmp_path / "many"))
    assert one.run(EXAMPLES) == many.run(EXAMPLES) == shared.run(EXAMPLES)


@pytest.mark.parametrize("name", [WEIGHTS, ONE, "graph.json"])
def test_a_file_of_the_input_cannot_stand_for_a_part_of_the_model(name: str, tmp_path: Path) -> None:
    candidate = Candidate("test", nn.Linear(4, 1), EXAMPLES, SPEC, ("y",), files={name: b""})
    with pytest.raises(PinError, match=f"may not be called {name}"):
        pin(candidate, tmp_path / "model")


def test_every_element_type_has_its_digest_taken() -> None:
    tensors = {dtype.value: torch.ones(3).to(kind) for dtype, kind in TORCH_DTYPE.items()}
    assert [entry.dtype.value for entry in entries(tensors)] == sorted(tensors)
