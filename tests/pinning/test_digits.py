"""The digit reader, trained and pinned from its wheel: images in, a digit out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reperform.cli.inputs import read_inputs
from reperform.examples.digits.data import SIDE, digits
from reperform.examples.digits.train import TRAINED_ON, train_and_pin
from reperform.executor.model import PinnedModel

WHEELS = Path(__file__).parents[2] / ".cache" / "wheels"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> PinnedModel:
    torch.set_num_threads(1)  # test workers share the cores
    folder = tmp_path_factory.mktemp("models") / "digits"
    train_and_pin(folder, cache=WHEELS)
    return PinnedModel.load(folder)


def test_most_digits_that_were_held_back_are_read_right(reader: PinnedModel) -> None:
    images, labels = digits(WHEELS)
    outputs = reader.run(images[TRAINED_ON:])
    right = sum(output.decision == str(label) for output, label in zip(outputs, labels[TRAINED_ON:], strict=True))
    assert right > 0.9 * len(outputs)
    assert [reader.run([image])[0] for image in images[TRAINED_ON : TRAINED_ON + 20]] == outputs[:20]


def test_a_digit_in_a_file_is_read_as_the_same_digit(reader: PinnedModel, tmp_path: Path) -> None:
    images, _ = digits(WHEELS)
    for number, image in enumerate(images[:12]):
        header = f"P5\n{SIDE} {SIDE}\n255\n".encode()
        (tmp_path / f"{number:02}.pgm").write_bytes(header + image.pixels)
    assert read_inputs(tmp_path) == images[:12]
    assert reader.run(read_inputs(tmp_path)) == reader.run(images[:12])
