"""Models from an address that nobody believes: what is not the pinned one is never run, kept, or let fill the disk."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reperform.evidence.ballot import Reason
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.errors import ReperformError
from reperform.evidence.manifest import Manifest
from reperform.evidence.receipt import Receipt
from reperform.executor.model import GRAPH, MANIFEST, PinnedModel
from reperform.executor.shards import WEIGHTS
from reperform.executor.weights import read_weights, write_weights
from reperform.replayer.library import Library, NotHereYetError
from reperform.replayer.replay import IndeterminateError, Replayed
from reperform.replayer.source import Source, SourceError
from reperform.tests.docket.test_client import Answer, answering, endless, hang_up, say
from reperform.tests.node.decisions import decided
from reperform.tests.node.models import Files, first, flipped, half, instead, read, serve
from reperform.tests.world import World


def source(url: str, folder: Path) -> Source:
    return Source(url, folder, patience=0.5, pause=lambda _: None)


def test_a_model_is_fetched_checked_and_kept(pinned: Path, tmp_path: Path) -> None:
    name, files = read(pinned)
    with answering(serve(files)) as (url, asked):
        here = source(url, tmp_path / "models")
        assert here.kept() == []
        part = here.download(name)
        assert here.kept() == []
        assert here.check(name, part).model_id == name
    assert sorted(asked) == sorted(f"/{name}/{file}" for file in files)
    (kept,) = source(url, tmp_path / "models").kept()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == files
    assert not part.exists()


def test_the_files_of_large_weights_follow_from_the_manifest(pinned: Path, tmp_path: Path) -> None:
    (name, files), cut = read(pinned), tmp_path / "cut"
    cut.mkdir()
    weights = PinnedModel.load(pinned).manifest.tensors
    limit = max(entry.nbytes for entry in weights)
    write_weights(cut, read_weights(pinned), weights, limit)
    shards = {path.name: path.read_bytes() for path in cut.iterdir()}
    assert len(shards) > 1
    del files[WEIGHTS]
    with answering(serve(files | shards)) as (url, asked):
        here = Source(url, tmp_path / "models", patience=0.5, pause=lambda _: None, shard=limit)
        assert here.check(name, here.download(name)).model_id == name
    assert sorted(asked) == sorted(f"/{name}/{file}" for file in files | shards)


def test_weights_that_would_fill_the_disk_are_not_begun(pinned: Path, tmp_path: Path) -> None:
    _, files = read(pinned)
    manifest = from_bytes(Manifest, files[MANIFEST])
    huge = replace(manifest, tensors=(replace(manifest.tensors[0], shape=(1 << 36, 4)),))
    with (
        answering(serve(files | {MANIFEST: to_bytes(huge)})) as (url, asked),
        pytest.raises(SourceError, match=f"are {1 << 40} bytes; no more than"),
    ):
        source(url, tmp_path).download(huge.model_id)
    assert asked == [f"/{huge.model_id}/{MANIFEST}"]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("name", [MANIFEST, GRAPH, WEIGHTS])
def test_what_is_cut_off_goes_on_where_it_stopped(name: str, ranges: bool, pinned: Path, tmp_path: Path) -> None:
    model, files = read(pinned)
    answer = first(half(files[name]), serve(files, ranges=ranges), name)
    with answering(answer) as (url, asked):
        here = source(url, tmp_path)
        assert here.check(model, here.download(model)).model_id == model
    assert asked.count(f"/{model}/{name}") == 2


def test_a_node_that_was_killed_while_it_fetched_goes_on_too(pinned: Path, tmp_path: Path) -> None:
    model, files = read(pinned)
    part = tmp_path / f"{model}.part"
    part.mkdir()
    (part / MANIFEST).write_bytes(files[MANIFEST])
    (part / WEIGHTS).write_bytes(files[WEIGHTS][:100])
    with answering(serve(files)) as (url, _):
        here = source(url, tmp_path)
        assert here.check(model, here.download(model)).model_id == model


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return pytest.fail, ("a file of a model was unpickled",)


WRONG: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a weight": (lambda f: f | {WEIGHTS: flipped(f[WEIGHTS])}, "is not the pinned one: its digest differs"),
    "the graph": (lambda f: f | {GRAPH: f[GRAPH].replace(b"tanh", b"sinh")}, "graph.json is not the pinned one"),
    "cut weights": (lambda f: f | {WEIGHTS: f[WEIGHTS][:-4]}, "is not a safetensors file"),
    "no weights": (lambda f: f | {WEIGHTS: b""}, "is not a safetensors file"),
    "pickled weights": (lambda f: f | {WEIGHTS: pickle.dumps(Bomb())}, "is not a safetensors file"),
    "the manifest": (lambda f: f | {MANIFEST: flipped(f[MANIFEST])}, "another manifest under the name of model"),
    "a missing file": (lambda f: {n: d for n, d in f.items() if n != GRAPH}, "answers with status 404"),
}


@pytest.mark.parametrize(("change", "why"), WRONG.values(), ids=WRONG.keys())
def test_what_is_not_the_pinned_model_is_refused_and_the_next_try_begins_anew(
    change: Callable[[Files], Files], why: str, pinned: Path, tmp_path: Path
) -> None:
    model, files = read(pinned)
    with answering(serve(change(files))) as (url, _):
        here = source(url, tmp_path)
        with pytest.raises(ReperformError, match=why):
            here.check(model, here.download(model))
    assert here.kept() == []
    with answering(serve(files)) as (url, _):
        here = source(url, tmp_path)
        assert here.check(model, here.download(model)).model_id == model


LIES: dict[str, tuple[Answer, str]] = {
    "another address": (say(b"", 302, Location="file:///etc/passwd"), "answers with status 302"),
    "an error": (say(b"no", 500), r"cannot be had \(RemoteProtocolError\): status 500; check the address"),
    "silence": (hang_up, r"cannot be had \(RemoteProtocolError\)"),
}


@pytest.mark.parametrize(("lie", "why"), LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_an_address_that_misbehaves_is_an_error_within_bounds(
    lie: Answer, why: str, name: str, pinned: Path, tmp_path: Path
) -> None:
    model, files = read(pinned)
    with answering(instead(name, lie, serve(files))) as (url, _), pytest.raises(SourceError, match=why):
        source(url, tmp_path).download(model)


def test_an_answer_that_does_not_end_cannot_fill_the_disk(pinned: Path, tmp_path: Path) -> None:
    model, files = read(pinned)
    with (
        answering(instead(WEIGHTS, endless, serve(files))) as (url, _),
        pytest.raises(SourceError, match="has more than"),
    ):
        source(url, tmp_path).download(model)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 10**6


def test_another_part_than_was_asked_for_is_not_taken(pinned: Path, tmp_path: Path) -> None:
    model, files = read(pinned)
    other = say(files[WEIGHTS], 206, Content_Range="bytes 0-99/100")
    answer = first(half(files[WEIGHTS]), instead(WEIGHTS, other, serve(files)), WEIGHTS)
    with answering(answer) as (url, _), pytest.raises(SourceError, match="another part of the file"):
        source(url, tmp_path).download(model)


@pytest.mark.parametrize("address", ["ftp://a", "models", "https://", "https://me@a", "https://a?b"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the address of models is https://HOST"):
        Source(address, tmp_path)


def until_here(library: Library, receipt: Receipt, committed: bytes) -> Replayed:
    for _ in range(200):
        try:
            return library.replay(receipt, committed)
        except NotHereYetError:
            time.sleep(0.02)
    raise AssertionError("the model does not come")


def test_a_library_fetches_what_a_receipt_names_and_does_not_wait_for_it(world: World, pinned: Path) -> None:
    model, files = read(pinned)
    file = decided(world, pinned)
    receipt = file.receipt.parse(Receipt)
    with answering(serve(files)) as (url, _):
        library = Library([], source(url, world.folder / "models"))
        with pytest.raises(NotHereYetError, match="is being fetched"):
            library.replay(receipt, file.opening.input)
        assert until_here(library, receipt, file.opening.input).output == file.opening.output
    assert library.held() == {model}
    assert Library([], source(url, world.folder / "models")).held() == {model}


def test_a_model_that_is_not_to_be_had_is_indeterminate_and_asked_for_again_in_the_next_case(
    world: World, pinned: Path
) -> None:
    _, files = read(pinned)
    file = decided(world, pinned)
    receipt = file.receipt.parse(Receipt)
    bad = serve(files | {WEIGHTS: flipped(files[WEIGHTS])})
    with answering(first(bad, serve(files), WEIGHTS)) as (url, _):
        library = Library([], source(url, world.folder / "models"))
        with pytest.raises(IndeterminateError, match=r"was not to be had: .*its digest differs") as caught:
            until_here(library, receipt, file.opening.input)
        assert caught.value.reason is Reason.MODEL
        assert until_here(library, receipt, file.opening.input).output == file.opening.output


def test_a_damaged_copy_of_a_fetched_model_stops_the_start(pinned: Path, tmp_path: Path) -> None:
    model, files = read(pinned)
    with answering(serve(files)) as (url, _):
        here = source(url, tmp_path)
        here.check(model, here.download(model))
    path = tmp_path / str(model) / WEIGHTS
    path.write_bytes(flipped(path.read_bytes()))
    with pytest.raises(ReperformError, match="its digest differs"):
        Library([], here)
    assert PinnedModel.load(pinned).model_id == model
