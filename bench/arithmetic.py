"""What portable-1 costs: whole models and single operations over native float32 torch, and over other libraries.

    python bench/arithmetic.py [--json] [--threads 1 2] [--rounds N]

Everything is measured in one run on one machine, medians, and what is compared takes turns. A ratio is a time over
native torch's: 2 means twice as long. Every exact product that this machine has gets a process of its own, and so
do the reference's plain loops. Other libraries are measured where they can be imported (peers.py says how).
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from reperform.bench.machine import machine, product
from reperform.bench.operations import operations
from reperform.bench.peers import PEERS
from reperform.bench.timing import ROUNDS, in_turn
from reperform.examples.sentence_encoder.pin import native, pin_encoder
from reperform.executor.model import PinnedModel
from reperform.tests.models.gpt import gpt, pin_gpt
from torch import nn

REFERENCE: Final = "reference"
# Seconds after which no further round is begun: some libraries take seconds for what takes torch a millisecond.
PASS_LIMIT, OPERATION_LIMIT = 20.0, 1.0


@dataclass(frozen=True)
class Pass:
    """A model's forward pass, tokenisation left out."""

    name: str
    model: str
    batch: int
    tokens: int


PASSES: Final = (
    Pass("encoder", "encoder", 8, 128),
    Pass("encoder_small", "encoder", 1, 16),
    Pass("gpt", "gpt", 1, 256),
)
MODELS: Final[dict[str, tuple[Callable[[Path], object], Callable[[], nn.Module]]]] = {
    "encoder": (pin_encoder, native),
    "gpt": (pin_gpt, gpt),
}


@dataclass(frozen=True)
class Times:
    """Median seconds of native torch, of portable-1, and of the peers that offer the same."""

    native: float
    portable: float
    peers: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """portable-1 over native."""
        return self.portable / self.native

    def over(self, peer: str) -> float:
        """A peer over native; NaN if it does not offer this."""
        return self.peers.get(peer, math.nan) / self.native


@dataclass(frozen=True)
class Run:
    """What one process measured with one product on some threads."""

    threads: int
    product: str
    weights_ratio: dict[str, float]
    passes: dict[str, Times]
    operations: dict[str, Times]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        body: dict[str, Any] = {"threads": self.threads, "product": self.product, "weights_ratio": self.weights_ratio}
        for name, times in self.passes.items():
            body |= {
                f"{name}_ratio": times.ratio,
                f"{name}_native_ms": times.native * 1e3,
                f"{name}_portable_ms": times.portable * 1e3,
            }
        return body | {
            "ops": {
                name: {"ratio": times.ratio, "native_us": times.native * 1e6, "portable_us": times.portable * 1e6}
                for name, times in self.operations.items()
            }
        }


def products() -> list[str]:
    """Those that this machine has, the one that serves first, the reference last."""
    first = product()
    if first == REFERENCE:
        return [REFERENCE]
    from reperform.executor.arithmetic.cpu.products import Product, gives_known_answers  # noqa: PLC0415  # needs numba

    others = [p.name.lower() for p in Product if p.name.lower() != first and gives_known_answers(p)]
    return [first, *others, REFERENCE]


def _choose(kernels: dict[str, str]) -> None:
    """Before a process chooses its loops, which it does once."""
    os.environ.update(kernels)


def run(folder: Path, wanted: str, threads: list[int], rounds: int, *, default: bool) -> list[Run]:
    """Measure one product, in a process that has not used another. Peers take their turns beside the default."""
    if product() != wanted:
        raise RuntimeError(f"{product()} serves where {wanted} was to be measured")
    found = []
    for number in threads:
        torch.set_num_threads(number)
        with torch.inference_mode():
            weights, passes = _passes(folder, rounds, peers=default)
            single = {} if wanted == REFERENCE else dict(_operations(rounds, peers=default))
        found.append(Run(number, wanted, weights, passes, single))
    return found


def _passes(folder: Path, rounds: int, *, peers: bool) -> tuple[dict[str, float], dict[str, Times]]:
    weights, passes = {}, {}
    for name, (_, make) in MODELS.items():
        program, module = PinnedModel.load(folder / name).program, make()
        weights[name] = program.nbytes / sum(parameter.nbytes for parameter in module.parameters())
        others = {key: peer.module(module) for key, peer in PEERS.items() if peers and not peer.missing()}
        modules = {key: other for key, other in others.items() if other is not None}
        for one in (p for p in PASSES if p.model == name):
            ids = torch.arange(1000, 1000 + one.batch * one.tokens).reshape(one.batch, one.tokens)
            mask = torch.ones_like(ids)
            forward: list[Callable[..., object]] = [module, program, *modules.values()]
            calls = [partial(call, ids, mask) for call in forward]
            times = in_turn(calls, rounds, PASS_LIMIT)
            passes[one.name] = Times(times[0], times[1], dict(zip(modules, times[2:], strict=True)))
    return weights, passes


def _operations(rounds: int, *, peers: bool) -> Iterator[tuple[str, Times]]:
    present = {key: peer for key, peer in PEERS.items() if peers and not peer.missing()}
    for operation in operations():
        operation.check()
        offers = {key: peer.call(operation) for key, peer in present.items()}
        calls = {key: call for key, call in offers.items() if call is not None}
        times = in_turn([operation.native(), operation.portable(), *calls.values()], rounds, OPERATION_LIMIT)
        yield operation.name, Times(times[0], times[1], dict(zip(calls, times[2:], strict=True)))


def measure(threads: list[int], rounds: int) -> list[Run]:
    """Every product on every number of threads."""
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (pin, _) in MODELS.items():
            pin(Path(scratch, name))
        for wanted in products():
            kernels = {"REPERFORM_KERNELS": REFERENCE} if wanted == REFERENCE else {"REPERFORM_PRODUCT": wanted}
            spawned = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, spawned, _choose, (kernels,)) as process:
                default = wanted == product()
                runs += process.submit(run, Path(scratch), wanted, threads, rounds, default=default).result()
    return runs


def document(runs: list[Run]) -> dict[str, Any]:
    """The bench's JSON; what stands at the top is the default product's at the largest number of threads."""
    best = _headline(runs)
    return {
        "machine": machine(),
        "product": best.product,
        "threads": best.threads,
        **{f"{name}_ratio": times.ratio for name, times in best.passes.items()},
        "weights_ratio": best.weights_ratio,
        "ops": {name: times.ratio for name, times in best.operations.items()},
        "peers": {key: _peer(key, best) for key in PEERS},
        "runs": [one.document() for one in runs],
    }


def _headline(runs: list[Run]) -> Run:
    return max((one for one in runs if one.product == product()), key=lambda one: one.threads)


def _peer(key: str, best: Run) -> str | dict[str, Any]:
    """A peer's times over native torch's, from the same turns as portable-1's."""
    missing = PEERS[key].missing()
    if missing:
        return missing
    passes = {f"{name}_ratio": times.over(key) for name, times in best.passes.items() if key in times.peers}
    single = {name: times.over(key) for name, times in best.operations.items() if key in times.peers}
    return {"version": PEERS[key].version(), **passes, "ops": single}


def table(runs: list[Run]) -> Iterator[str]:
    """The same for people."""
    best = _headline(runs)
    for key, value in machine().items():
        yield f"{key:32} {value}"
    for key, peer in PEERS.items():
        yield f"{key:32} {peer.missing() or peer.version()}"
    yield f"\n{'whole models, over native':32}" + "".join(f"{p.name:>16}" for p in PASSES)
    for one in runs:
        yield f"{f'{one.product}, {one.threads} threads':32}" + _cells(one.passes[p.name].ratio for p in PASSES)
    for key in _present(best.passes):
        yield f"{f'{key}, {best.threads} threads':32}" + _cells(best.passes[p.name].over(key) for p in PASSES)
    milliseconds = (best.passes[p.name].native * 1e3 for p in PASSES)
    yield f"{f'native ms, {best.threads} threads':32}" + _cells(milliseconds)
    for name, ratio in best.weights_ratio.items():
        yield f"{f'weights in memory, {name}':32}" + _cells([ratio])
    timed, present = [one for one in runs if one.operations], _present(best.operations)
    columns = [*(f"{one.product}/{one.threads}" for one in timed), *present]
    yield f"\n{'operations, over native':32}" + "".join(f"{column:>16}" for column in ("native µs", *columns))
    for name, times in best.operations.items():
        ratios = [one.operations[name].ratio for one in timed] + [times.over(key) for key in present]
        yield f"{name:32}" + _cells([times.native * 1e6, *ratios])


def _present(times: dict[str, Times]) -> list[str]:
    return [key for key in PEERS if any(key in one.peers for one in times.values())]


def _cells(values: Iterable[float]) -> str:
    return "".join(f"{'-':>16}" if math.isnan(value) else f"{value:16.2f}" for value in values)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each call")
    options = parser.parse_args()
    runs = measure(sorted(set(options.threads)), options.rounds)
    if options.json:
        print(json.dumps(document(runs)))
        return
    for line in table(runs):
        print(line)


if __name__ == "__main__":
    main()
