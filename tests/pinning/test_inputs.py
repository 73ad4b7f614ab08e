"""Images, sounds and tensors become what the manifest says, by an oracle of exact fractions, or are refused."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.commitment import Commitment, Role, new_key
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.encoding import MalformedError
from reperform.evidence.inputs import AudioInput, ImageInput, InputSpec, Layout, Size, TensorColumn, TensorsInput
from reperform.evidence.receipt import Opening
from reperform.evidence.values import Audio, Channels, DType, Image, Input, Tensor, Tensors
from reperform.executor.preprocessing import encoder
from reperform.executor.preprocessing.images import ImageEncoder
from reperform.executor.refusal import InputError

positive = st.floats(1e-6, 1e6).map(repr)
real = st.floats(-1e6, 1e6).map(repr)


def rounded(exact: Fraction) -> float:
    """To binary64."""
    return exact.numerator / exact.denominator


def normalised(element: int, divisor: str, mean: str = "0.0", scale: str = "1.0") -> bytes:
    """(element / divisor - mean) / scale, each step rounded to binary64, then to binary32."""
    quotient = rounded(Fraction(element) / Fraction(float(divisor)))
    difference = rounded(Fraction(quotient) - Fraction(float(mean)))
    return struct.pack("<f", rounded(Fraction(difference) / Fraction(float(scale))))


def numbers(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().numpy().astype("<f4").tobytes()


@st.composite
def images(draw: st.DrawFn) -> tuple[ImageInput, list[Image]]:
    channels = draw(st.sampled_from(Channels))
    order = "".join(draw(st.permutations(channels.value)))
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    mean, scale = (
        draw(st.lists(each, min_size=len(order), max_size=len(order)).map(tuple)) for each in (real, positive)
    )
    spec = ImageInput(width, height, channels, order, draw(st.sampled_from(Layout)), draw(positive), mean, scale)
    size = width * height * len(channels)
    pixels = draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=3))
    return spec, [Image(width, height, channels, one) for one in pixels]


@given(images())
def test_an_image_is_normalised_by_channel_in_the_models_order(case: tuple[ImageInput, list[Image]]) -> None:
    spec, given_images = case
    (x,) = ImageEncoder(spec).tensors(given_images)
    expected = b""
    per_pixel = len(spec.channels)
    for image in given_images:
        table = {
            (row, column, letter): normalised(
                image.pixels[(row * image.width + column) * per_pixel + spec.channels.index(letter)],
                spec.divisor,
                spec.mean[spec.order.index(letter)],
                spec.scale[spec.order.index(letter)],
            )
            for row in range(image.height)
            for column in range(image.width)
            for letter in spec.order
        }
        if spec.layout is Layout.CHANNELS_FIRST:
            places = [(r, c, k) for k in spec.order for r in range(image.height) for c in range(image.width)]
        else:
            places = [(r, c, k) for r in range(image.height) for c in range(image.width) for k in spec.order]
        expected += b"".join(table[place] for place in places)
    assert numbers(x) == expected
    declared = ImageEncoder(spec).signature[0][1]
    assert x.shape[1:] == declared[1:]


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=20), positive)
def test_a_sound_is_divided(samples: list[int], divisor: str) -> None:
    spec = AudioInput(8000, 1, 20, divisor)
    (x,) = encoder(spec, {}).tensors([Audio(8000, struct.pack(f"<{len(samples)}h", *samples))])
    assert numbers(x) == b"".join(normalised(sample, divisor) for sample in samples)


SIZED = TensorsInput(
    (
        TensorColumn("values", "what was measured", DType.F32, ("steps", 2)),
        TensorColumn("when", "the step", DType.I64, ("steps",)),
        TensorColumn("urgent", "whether it is", DType.BOOL, ()),
    ),
    (Size("steps", 2, 5),),
)


def measured(steps: int, when: int | None = None) -> Tensors:
    values = np.arange(2 * steps, dtype="<f4")
    return Tensors(
        (
            Tensor("urgent", DType.BOOL, (), b"\x01"),
            Tensor("values", DType.F32, (steps, 2), values.tobytes()),
            Tensor("when", DType.I64, (when or steps,), np.arange(when or steps, dtype="<i8").tobytes()),
        )
    )


def test_tensors_are_themselves_in_the_models_order() -> None:
    values, when, urgent = encoder(SIZED, {}).tensors([measured(3), measured(3)])
    assert values.tolist() == [[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]] * 2
    assert when.tolist() == [[0, 1, 2]] * 2
    assert urgent.tolist() == [True, True]


def replaced(name: str, tensor: Tensor) -> Tensors:
    return Tensors(tuple(tensor if one.name == name else one for one in measured(3).tensors))


GREY = ImageInput(2, 1, Channels.GREY, "L", Layout.CHANNELS_LAST, "255.0", ("0.0",), ("1.0",))
SOUND = AudioInput(8000, 2, 4, "32768.0")
REFUSED: list[tuple[InputSpec, Input, str]] = [
    (GREY, Image(1, 2, Channels.GREY, b"ab"), "the image is 1 x 2 L; the model takes 2 x 1 L"),
    (GREY, Image(2, 1, Channels.COLOUR, b"abcdef"), "the image is 2 x 1 RGB; the model takes 2 x 1 L"),
    (SOUND, Audio(16000, b"abcd"), "16000 samples per second; the model takes 8000"),
    (SOUND, Audio(8000, b"ab"), "the sound has 1 samples; the model takes 2 to 4"),
    (SOUND, Audio(8000, b"ab" * 5), "the sound has 5 samples; the model takes 2 to 4"),
    (AudioInput(8, 1, 1, "1e-300"), Audio(8, b"ab"), "a sample too large"),
    (SIZED, measured(1), "'values' is F32 [1, 2]; the model takes F32 [steps, 2]"),
    (SIZED, measured(6), "'values' is F32 [6, 2]; the model takes F32 [steps, 2]"),
    (SIZED, measured(3, when=4), "'when' is I64 [4]; the model takes I64 [steps]"),
    (SIZED, Tensors(measured(3).tensors[1:]), "2 tensors, not just values, when, urgent"),
    (SIZED, replaced("urgent", Tensor("late", DType.BOOL, (), b"\x01")), "3 tensors, not just values, when, urgent"),
    (SIZED, replaced("urgent", Tensor("urgent", DType.BOOL, (1,), b"\x01")), "'urgent' is BOOL [1]"),
    (SIZED, replaced("urgent", Tensor("urgent", DType.BOOL, (), b"\x02")), "neither 0 nor 1"),
    (SIZED, replaced("when", Tensor("when", DType.I32, (3,), bytes(12))), "'when' is I32 [3]"),
    (
        SIZED,
        replaced("values", Tensor("values", DType.F32, (3, 2), struct.pack("<6f", 1, 2, float("nan"), 4, 5, 6))),
        "'values' has a NaN",
    ),
]


@pytest.mark.parametrize(("spec", "one", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_what_the_model_does_not_take_is_refused(spec: InputSpec, one: Input, words: str) -> None:
    with pytest.raises(InputError) as refusal:
        encoder(spec, {}).tensors([one])
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "inputs"),
    [
        (SIZED, [measured(2), measured(3), measured(3), replaced("urgent", Tensor("late", DType.BOOL, (), b"\0"))]),
        (SOUND, [Audio(8000, b"ab" * samples) for samples in (2, 3, 3, 5)]),
    ],
)
def test_only_inputs_of_one_size_are_alike(spec: InputSpec, inputs: Sequence[Input]) -> None:
    first, second, third, fourth = map(encoder(spec, {}).alike, inputs)
    assert second == third
    assert len({first, second, fourth}) == 3


def test_names_that_are_changed_about_are_not_alike() -> None:
    a, b = Tensor("a", DType.I64, (1,), bytes(8)), Tensor("a", DType.I64, (2,), bytes(16))
    c, d = Tensor("b", DType.I64, (2,), bytes(16)), Tensor("b", DType.I64, (1,), bytes(8))
    made_by = encoder(
        TensorsInput(
            tuple(TensorColumn(name, "", DType.I64, (name,)) for name in "ab"), (Size("a", 1, 2), Size("b", 1, 2))
        ),
        {},
    )
    assert made_by.alike(Tensors((a, c))) != made_by.alike(Tensors((b, d)))
    assert made_by.alike(Tensors((a, c))) == made_by.alike(Tensors((c, a)))


COMMITTED: list[Input] = [
    Image(224, 224, Channels.COLOUR, bytes(224 * 224 * 3)),
    Audio(16_000, b"\x01\x80" * (30 * 16_000)),
    measured(3),
]


@pytest.mark.parametrize("one", COMMITTED, ids=lambda one: type(one).__name__)
def test_what_was_committed_opens_to_what_was_given(one: Input) -> None:
    data = to_bytes(one)
    key = new_key()
    opening = from_bytes(Opening, to_bytes(Opening(data, key, b"", new_key())))
    assert Commitment.make(Role.INPUT, data, key).opens_to(Role.INPUT, opening.input, opening.input_key)
    assert from_bytes(type(one), opening.input) == one


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image(2, 2, Channels.GREY, b"abc"),
        lambda: Image(0, 2, Channels.GREY, b""),
        lambda: Audio(0, b"ab"),
        lambda: Audio(8000, b""),
        lambda: Audio(8000, b"abc"),
        lambda: Tensors(()),
        lambda: Tensors((measured(2).tensors[0],) * 2),
        lambda: ImageInput(2, 1, Channels.COLOUR, "RGG", Layout.CHANNELS_LAST, "255.0", ("0.0",) * 3, ("1.0",) * 3),
        lambda: ImageInput(2, 1, Channels.COLOUR, "BGR", Layout.CHANNELS_LAST, "255.0", ("0.0",) * 2, ("1.0",) * 3),
        lambda: ImageInput(2, 1, Channels.GREY, "L", Layout.CHANNELS_LAST, "255.0", ("0.0",), ("0.0",)),
        lambda: ImageInput(2, 1, Channels.GREY, "L", Layout.CHANNELS_LAST, "255", ("0.0",), ("1.0",)),
        lambda: AudioInput(8000, 3, 2, "1.0"),
        lambda: AudioInput(0, 1, 2, "1.0"),
        lambda: AudioInput(8000, 1, 2, "-1.0"),
        lambda: Size("batch", 1, 2),
        lambda: Size("steps", 0, 2),
        lambda: TensorColumn("x", "", DType.F64, ()),
        lambda: TensorColumn("x", "", DType.F32, (0,)),
        lambda: TensorsInput((TensorColumn("x", "", DType.F32, ("steps",)),), ()),
        lambda: TensorsInput((TensorColumn("x", "", DType.F32, ()),), (Size("steps", 1, 2),)),
    ],
)
def test_what_contradicts_itself_is_no_document(make: object) -> None:
    assert callable(make)
    with pytest.raises(MalformedError):
        make()


def test_an_image_whose_numbers_are_too_large_is_refused_when_its_model_is_loaded() -> None:
    with pytest.raises(InputError, match="too large for 32 bits"):
        encoder(ImageInput(1, 1, Channels.GREY, "L", Layout.CHANNELS_LAST, "1e-300", ("0.0",), ("1.0",)), {})
