"""What checking and pinning large weights costs, over plain SHA-256 of the same bytes by all cores.

    python bench/pin.py [--json] [--gigabytes 10] [--rounds 3] [--scratch FOLDER]

Weights as a decoder has them, float32, in shards, in a folder that is removed at the end. Medians, and what is compared
takes turns, with the files in the system's cache; once, where it says cold, with them out of it. A share is a speed
over that of plain SHA-256: 1 is as fast. Memory is what a call adds to the process's own (RssAnon), pages of files not
counted. Pinning is what it does to weights: digests for the manifest, files on disk, and the check of what was written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from reperform.bench.machine import machine
from reperform.bench.timing import in_turn
from reperform.evidence.manifest import TensorEntry
from reperform.executor.weights import cores, entries, load_weights, read_weights, write_weights

GIGABYTE: Final = 10**9
# A decoder's sizes, of some 200 MB a layer.
WIDTH, INNER, VOCABULARY = 2048, 5632, 32000
CHUNK: Final = 64 << 20


def decoder(size: int) -> dict[str, torch.Tensor]:
    """Tensors of some `size` bytes in all, slices of one block of random bits."""
    shapes: dict[str, tuple[int, ...]] = {"embedding": (VOCABULARY, WIDTH)}
    layer = {"query": (WIDTH, WIDTH), "key": (WIDTH, WIDTH), "value": (WIDTH, WIDTH), "out": (WIDTH, WIDTH),
             "gate": (INNER, WIDTH), "up": (INNER, WIDTH), "down": (WIDTH, INNER), "norm": (WIDTH,)}  # fmt: skip
    layers = max(1, round((size / 4 - VOCABULARY * WIDTH) / sum(torch.Size(s).numel() for s in layer.values())))
    shapes |= {f"layer.{i}.{name}": shape for i in range(layers) for name, shape in layer.items()}
    block = torch.randint(-(2**30), 2**30, (VOCABULARY * WIDTH + 64 * len(shapes),), dtype=torch.int32)
    sizes = {name: torch.Size(shape) for name, shape in shapes.items()}
    starts = {name: 64 * i for i, name in enumerate(sizes)}
    return {name: block[starts[name] :][: shape.numel()].view(shape) for name, shape in sizes.items()}


def made(folder: Path, size: int) -> tuple[TensorEntry, ...]:
    """Weights of some `size` bytes, as pinning writes them."""
    folder.mkdir()
    tensors = decoder(size)
    described = entries(tensors)
    write_weights(folder, tensors, described)
    return described


@contextmanager
def mapped(folder: Path) -> Iterator[list[memoryview]]:
    """The bytes of a folder's files in equal chunks."""
    with ExitStack() as stack:
        chunks = []
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                whole = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            view = stack.enter_context(memoryview(whole))
            chunks += [stack.enter_context(view[at : at + CHUNK]) for at in range(0, len(view), CHUNK)]
        yield chunks


def plain(chunks: list[memoryview]) -> None:
    """SHA-256 of each chunk, by all cores."""
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda chunk: hashlib.sha256(chunk).digest(), chunks):
            pass


def cold(folder: Path, call: Callable[[], object]) -> float:
    """The seconds of a call with a folder's files out of the system's cache."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return timed(call)


def timed(call: Callable[[], object]) -> float:
    """The seconds of a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def memory(call: Callable[[], object]) -> int:
    """How many bytes a call adds to the process's own memory at most, looked at every 5 ms."""
    before, most, done = own_memory(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.005):
            most = max(most, own_memory() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return most


def own_memory() -> int:
    """Bytes that are this process's alone, pages of files not counted."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def checking(folder: Path, described: tuple[TensorEntry, ...], rounds: int) -> dict[str, float]:
    """Loading with every digest checked, and plain SHA-256."""
    size = sum(path.stat().st_size for path in folder.iterdir()) / GIGABYTE
    with mapped(folder) as chunks:
        check, hashing = in_turn([lambda: load_weights(folder, described), lambda: plain(chunks)], rounds)
    from_disk = cold(folder, lambda: load_weights(folder, described))
    with mapped(folder) as chunks:
        plain_from_disk = cold(folder, lambda: plain(chunks))
    return {
        "gigabytes": size,
        "files": sum(1 for _ in folder.iterdir()),
        "hash_share": hashing / check,
        "load_gbps": size / check,
        "plain_gbps": size / hashing,
        "hash_share_cold": plain_from_disk / from_disk,
        "load_cold_gbps": size / from_disk,
    }


def pinning(folder: Path, scratch: Path, rounds: int) -> dict[str, float]:
    """Digesting, writing and checking weights that lie mapped in memory; plain SHA-256, and a plain copy, beside."""
    tensors, size = read_weights(folder), sum(path.stat().st_size for path in folder.iterdir()) / GIGABYTE
    with mapped(folder) as chunks:
        digesting, hashing = in_turn([lambda: entries(tensors), lambda: plain(chunks)], rounds)
    described = entries(tensors)

    def written() -> None:
        scratch.mkdir()
        write_weights(scratch, tensors, described)

    def copied() -> None:
        shutil.copytree(folder, scratch)
        for path in scratch.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())

    writing: list[float] = []
    copying: list[float] = []
    for _ in range(rounds):
        for call, times in ((written, writing), (copied, copying)):
            times.append(timed(call))
            shutil.rmtree(scratch)
    write, copy = sorted(writing)[rounds // 2], sorted(copying)[rounds // 2]
    return {
        "pin_gigabytes": size,
        "pin_hash_share": hashing / digesting,
        "pin_write_share": copy / write,  # over a copy to the same disk
        "pin_gbps": size / (digesting + write + digesting),
        "disk_gbps": size / copy,
    }


def measured(scratch: Path, gigabytes: float, rounds: int) -> dict[str, Any]:
    """All of it: checking at the full size, pinning at a tenth, and the memory of both at both."""
    small, large = scratch / "small", scratch / "large"
    described = {
        folder: made(folder, round(g * GIGABYTE)) for folder, g in ((small, gigabytes / 10), (large, gigabytes))
    }
    sizes = {folder: f"{sum(entry.nbytes for entry in found) / GIGABYTE:.2g}" for folder, found in described.items()}
    checks = {s: memory(lambda f=f: load_weights(f, described[f])) / 1e6 for f, s in sizes.items()}  # type: ignore[misc]
    pins: dict[str, float] = {}
    for folder, gb in sizes.items():
        tensors, copy = read_weights(folder), scratch / "copy"
        copy.mkdir()
        pins[gb] = memory(lambda t=tensors, c=copy: write_weights(c, t, entries(t))) / 1e6  # type: ignore[misc]
        shutil.rmtree(copy)
    return {
        **checking(large, described[large], rounds),
        **pinning(small, scratch / "copy", rounds),
        "load_memory_mb": checks,
        "pin_memory_mb": pins,
    }


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--gigabytes", type=float, default=10.0, help="of weights; the disk needs room for twice that")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where the weights are written, and removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        found = measured(Path(scratch), options.gigabytes, options.rounds)
    body: dict[str, Any] = {"machine": machine(), "threads": cores(), **found}
    if options.json:
        print(json.dumps(body))
        return
    for key, value in body.items():
        print(f"{key:32} {value:.4g}" if isinstance(value, float) else f"{key:32} {value}")


if __name__ == "__main__":
    main()
