"""What an audit costs: replays in this process and in a pool, alone and in batches; a whole one; its memory.

    python bench/audit.py [--json] [--long]

Everything is measured in one run on one machine, what is compared in turn, medians. All workers have one thread: this
process is measured with one too. Models: the mortgage scorer, and the sentence encoder where its texts are named.
`audit_seconds` is one audit in one process (whole_audit.py). `peak_mb_by_population` are fresh processes
(populations.py), with --long for a million decisions too.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from reperform.bench.machine import machine
from reperform.bench.populations import LONG, POPULATIONS, peaks
from reperform.bench.timing import in_turn
from reperform.bench.whole_audit import whole_audit
from reperform.consensus.audit.replays import Job, Outcome, Replays
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.receipt import Receipt
from reperform.evidence.values import Input, Text
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record, train_and_pin
from reperform.examples.sentence_encoder.pin import pin_encoder
from reperform.executor.model import PinnedModel
from reperform.replayer.pool.cluster import connected
from reperform.replayer.pool.crew import Crew
from reperform.replayer.pool.inline import Inline
from reperform.replayer.pool.on_ray import OnRay
from reperform.tests.world import World

ROUNDS: Final = 5
DECISIONS: Final = 40_000  # mortgage decisions for a rate: some six seconds of work for two workers
TEXTS: Final = 128
WORDS: Final = ("Income too low.", "The applicant's debts are too high for the income that was declared.")


def jobs(receipt: Receipt, model: Digest, inputs: Sequence[Input], count: int) -> list[Job]:
    """`count` jobs over these inputs, again and again."""
    named, committed = replace(receipt, model=model), [to_bytes(value) for value in inputs]
    return [Job(entry, named, committed[entry % len(committed)]) for entry in range(count)]


def drain(replays: Replays, work: Iterable[Job], expected: int) -> None:
    """Replay all of it. A worker that is lost, or a run that stops, is not a rate."""
    said = list(replays(work))
    if len(said) != expected or not all(isinstance(one, Outcome) and one.output is not None for one in said):
        raise SystemExit("the pool did not answer every job")


def rates(folder: Path, receipt: Receipt) -> dict[str, float]:
    """Replays per second in this process, and by one and by two workers, in turn."""
    model = PinnedModel.load(folder / "mortgage").model_id
    work = jobs(receipt, model, [record(row) for row in applications()], DECISIONS)
    inline = Inline([folder / "mortgage"])
    with connected(None, 3), crews(folder / "mortgage", (1, 2)) as (one, two):
        calls: list[Callable[[], object]] = [partial(drain, pool, work, len(work)) for pool in (inline, one, two)]
        alone, single, double = in_turn(calls, ROUNDS)
    return {
        "replays_per_second_inline": len(work) / alone,
        "replays_per_second_pool_1": len(work) / single,
        "replays_per_second_pool_2": len(work) / double,
        "efficiency": single / double / 2,
    }


@contextmanager
def crews(model: Path, sizes: Sequence[int]) -> Iterator[list[OnRay]]:
    """Pools of these sizes, in the connection that there is."""
    yield [OnRay(Crew([model], size, None)) for size in sizes]


def batched(folder: Path, receipt: Receipt) -> dict[str, float]:
    """The sentence encoder on short texts: the pool's batches, and one text after another."""
    model = PinnedModel.load(folder / "encoder")
    body: dict[str, float] = {}
    replays = Inline([folder / "encoder"])
    for name, text in zip(("batch_gain", "batch_gain_longer_texts"), WORDS, strict=True):
        texts = [Text(text)] * TEXTS
        work = jobs(receipt, model.model_id, texts, TEXTS)
        calls: list[Callable[[], object]] = [
            partial(drain, replays, work, TEXTS),
            lambda texts=texts: [model.run([one]) for one in texts[: TEXTS // 4]],  # type: ignore[misc]
        ]
        together, alone = in_turn(calls, ROUNDS)
        body[name] = 4 * alone / together
    return body


def peak() -> dict[str, float]:
    """The most memory that this process, and any of its workers, has held at once."""
    own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"peak_mb": own / 1024, "peak_of_a_child_mb": others / 1024}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--long", action="store_true", help="measure a million decisions too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        train_and_pin(folder / "mortgage")
        pin_encoder(folder / "encoder")
        receipt = World(folder / "world").decision().receipt.parse(Receipt)
        body: dict[str, Any] = {"machine": machine()}
        body |= rates(folder, receipt) | batched(folder, receipt) | peak()
        body |= whole_audit(folder / "audit", folder / "mortgage")
        body["peak_mb_by_population"] = peaks(folder, (*POPULATIONS, LONG) if options.long else POPULATIONS)
    body["seconds"] = time.perf_counter() - begun
    if options.json:
        print(json.dumps(body))
        return
    for key, value in body.items():
        print(f"{key:32} {value:.4g}" if isinstance(value, float) else f"{key:32} {value}")


if __name__ == "__main__":
    main()
