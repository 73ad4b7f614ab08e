"""Files as people have them: images, sounds and tensors are read as they stand, or refused with what to do."""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.cli import netpbm, sounds
from reperform.cli.inputs import read_inputs
from reperform.cli.output import describe_input
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.files import FileError
from reperform.evidence.values import Audio, Channels, DType, Image, Tensor, Tensors, Text
from safetensors.numpy import save

gaps = st.lists(
    st.sampled_from([b" ", b"\t", b"\n", b"\r\n", b"# by hand\n", b"#\n", b"#P6 9 9 255\r"]), min_size=1, max_size=4
).map(b"".join)


@given(st.sampled_from(Channels), st.integers(1, 5), st.integers(1, 5), st.tuples(gaps, gaps, gaps), st.data())
def test_an_image_is_its_pixels_whatever_stands_between_the_numbers(
    channels: Channels, width: int, height: int, between: tuple[bytes, bytes, bytes], data: st.DataObject
) -> None:
    size = width * height * len(channels)
    pixels = data.draw(st.binary(min_size=size, max_size=size))
    kind = b"P6" if channels is Channels.COLOUR else b"P5"
    header = kind + between[0] + b"%d" % width + between[1] + b"%d" % height + between[2] + b"255\n"
    assert netpbm.parse(header + pixels) == Image(width, height, channels, pixels)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a binary .pgm or .ppm"),
        (b"P2 1 1 255\n7", "not a binary .pgm or .ppm"),
        (b"P5 1 1 255", "not a binary .pgm or .ppm"),
        (b"P51 1 255\na", "not a binary .pgm or .ppm"),
        (b"P5 01 1 255\na", "not a binary .pgm or .ppm"),
        (b"P5 -1 1 255\na", "not a binary .pgm or .ppm"),
        (b"P5 1 0 255\n", "not a binary .pgm or .ppm"),
        (b"P5 1_0 1 255\n0123456789", "not a binary .pgm or .ppm"),
        (b"P5 \xd9\xa1 1 255\na", "not a binary .pgm or .ppm"),
        (b"P5 1234567890 1 255\na", "not a binary .pgm or .ppm"),
        (b"P5 1 1 255 # late\na", "an image has 8 bytes"),
        (b"P5 1 1 65535\nab", "its white is 65535"),
        (b"P5 1 1 16\na", "its white is 16"),
        (b"P5 2 1 255\na", "an image has 1 bytes"),
        (b"P5 1 1 255\nab", "an image has 2 bytes"),
        (b"P6 1 1 255\nabcP6 1 1 255\nabc", "bytes of pixels"),
        (b"P6 999999999 999999999 255\nabc", "bytes of pixels"),
        (b"P5 " + b"#" * 100_000, "not a binary .pgm or .ppm"),
        (b"P5 " + b"#\n" * 100_000 + b"x", "not a binary .pgm or .ppm"),
    ],
)
def test_an_image_file_that_is_not_whole_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        netpbm.parse(data)


def wav(samples: bytes, channels: int = 1, width: int = 2, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1), st.integers(1, 768_000))
def test_a_sound_is_its_samples(samples: list[int], rate: int) -> None:
    data = struct.pack(f"<{len(samples)}h", *samples)
    assert sounds.parse(wav(data, rate=rate)) == Audio(rate, data)


SOUND = wav(bytes(range(40)))
AT = SOUND.index(b"data") + 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (wav(bytes(8), channels=2), "2 channels of 16 bits; only 1 of 16 bits is read; convert it: ffmpeg"),
        (wav(bytes(8), width=1), "1 channels of 8 bits"),
        (wav(bytes(9), width=3), "1 channels of 24 bits"),
        (wav(b""), "no 16-bit samples"),
        (SOUND[:-6], "it has 17 samples, and says 20"),
        (SOUND[:AT] + b"\xff\xff\xff\x7f" + SOUND[AT + 4 :], "it has 20 samples, and says"),
        (SOUND[:20], "not a .wav file"),
        (b"", "it ends early"),
        (b"ID3" + bytes(100), "not a .wav file"),
        (SOUND.replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x03\0"), "unknown format: 3"),
    ],
)
def test_a_sound_file_that_is_not_plain_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        sounds.parse(data)
    assert words in str(refusal.value)


SMALL = {
    "a.wav": SOUND,
    "a.ppm": b"P6\n# c\n1 1\n255\nabc",
    "a.safetensors": save({"x": np.zeros((2, 1), "<f4"), "a": np.ones(3, "<i8")}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


@pytest.mark.parametrize("name", SMALL)
@given(st.data())
def test_a_mutated_file_gives_an_input_or_our_error(name: str, folder: Path, data: st.DataObject) -> None:
    whole = bytearray(SMALL[name])
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, min(len(whole), 120) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    (folder / name).write_bytes(cut)
    with contextlib.suppress(ReperformError):
        read_inputs(folder / name)


def test_tensors_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "in.safetensors").write_bytes(SMALL["a.safetensors"])
    assert read_inputs(tmp_path / "in.safetensors") == [
        Tensors(
            (
                Tensor("a", DType.I64, (3,), np.ones(3, "<i8").tobytes()),
                Tensor("x", DType.F32, (2, 1), bytes(8)),
            )
        )
    ]


def test_elements_of_a_type_that_is_not_known_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.safetensors").write_bytes(save({"x": np.zeros(2, np.uint8)}))
    with pytest.raises(MalformedError, match=r"in\.safetensors: it has elements of type U8; the types are F32, "):
        read_inputs(tmp_path / "in.safetensors")


def test_a_folder_is_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(SOUND)
    (tmp_path / "a.ppm").write_bytes(SMALL["a.ppm"])
    (tmp_path / "c.txt").write_text("one\ntwo\n")
    image, sound, *texts = read_inputs(tmp_path)
    assert image == Image(1, 1, Channels.COLOUR, b"abc")
    assert sound == Audio(16_000, bytes(range(40)))
    assert texts == [Text("one"), Text("two")]
    (tmp_path / ".hidden").touch()
    with pytest.raises(FileError, match="hidden is none of"):
        read_inputs(tmp_path)


def test_a_folder_in_a_folder_is_refused_and_an_empty_one_has_no_inputs(tmp_path: Path) -> None:
    (tmp_path / "deeper.wav").mkdir()
    with pytest.raises(FileError, match=r"deeper\.wav cannot be read"):
        read_inputs(tmp_path)
    with pytest.raises(MalformedError, match="has no inputs"):
        read_inputs(tmp_path / "deeper.wav")


def test_a_file_is_named_when_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.wav").write_bytes(SOUND[:-6])
    with pytest.raises(MalformedError, match=r"cut\.wav: it has 17 samples"):
        read_inputs(tmp_path)


def test_what_was_committed_is_described() -> None:
    assert describe_input(Image(4, 3, Channels.COLOUR, bytes(36))) == "an image of 4 x 3 pixels, RGB"
    assert describe_input(Audio(16_000, bytes(48_000))) == "1.500 s of sound: 24,000 samples at 16,000 per second"
    assert describe_input(Tensors((Tensor("x", DType.F32, (2, 1), bytes(8)),))) == "x F32[2, 1]"
