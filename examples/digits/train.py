"""Trains a small residual network to read handwritten digits, and pins it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import nn

from ...evidence.digest import Digest
from ...evidence.inputs import ImageInput, Layout
from ...evidence.rules import Largest
from ...evidence.values import Channels, Image
from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ...executor.preprocessing.images import ImageEncoder
from ..wheels import CACHE
from .data import SIDE, WHITE, digits
from .model import CLASSES, ResidualNetwork

SPEC: Final = ImageInput(
    width=SIDE,
    height=SIDE,
    channels=Channels.GREY,
    order="L",
    layout=Layout.CHANNELS_FIRST,
    divisor=repr(float(WHITE)),
    mean=("0.3",),  # of the pixels, and how far they lie from it
    scale=("0.38",),
)
RULE: Final = Largest(tuple(str(digit) for digit in range(CLASSES)))
TRAINED_ON: Final = 1500
_EPOCHS, _BATCH = 6, 50


def reader(seed: int = 0, cache: Path = CACHE) -> Candidate:
    """A network trained on the first 1,500 digits. The same machine gives the same model."""
    images, labels = digits(cache)
    model = train(images[:TRAINED_ON], labels[:TRAINED_ON], seed)
    return Candidate("digit-reader", model, images[TRAINED_ON : TRAINED_ON + 16], SPEC, ["scores"], RULE)


def train_and_pin(directory: Path, seed: int = 0, cache: Path = CACHE) -> Digest:
    """Pin the reader into the new folder `directory`; returns the model id. Raises ReperformError."""
    return pin(reader(seed, cache), directory)


def train(images: Sequence[Image], labels: Sequence[int], seed: int) -> ResidualNetwork:
    """AdamW on small batches, in native float32."""
    (x,) = ImageEncoder(SPEC).tensors(images)
    y = torch.tensor(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResidualNetwork()
        optimizer = torch.optim.AdamW(model.parameters())
        steps = _EPOCHS * -(-len(x) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, total_steps=steps)
        for _ in range(_EPOCHS):
            for chosen in torch.split(torch.randperm(len(x)), _BATCH):
                optimizer.zero_grad()
                torch.autograd.backward(nn.functional.cross_entropy(model(x[chosen]), y[chosen]))
                optimizer.step()
                schedule.step()
    return model.eval()


def accuracy(model: ResidualNetwork, images: Sequence[Image], labels: Sequence[int]) -> float:
    """How many of these digits are read right, from 0 to 1."""
    (x,) = ImageEncoder(SPEC).tensors(images)
    with torch.no_grad():
        return float((model(x).argmax(1) == torch.tensor(labels)).float().mean())


def main() -> None:
    """Train, pin, and say how many of the digits held back are read right."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(train_and_pin(options.directory, options.seed))
    images, labels = digits()
    model = train(images[:TRAINED_ON], labels[:TRAINED_ON], options.seed)
    print(f"{accuracy(model, images[TRAINED_ON:], labels[TRAINED_ON:]):.1%} of the digits held back are read right")


if __name__ == "__main__":
    main()
