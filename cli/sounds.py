"""Sound in .wav files: 16-bit samples, one channel, whole."""

from __future__ import annotations

import io
import struct
import wave
from typing import Final

from ..evidence.encoding import MalformedError
from ..evidence.values import Audio

_CONVERT: Final = "convert it: ffmpeg -i FILE -ac 1 -ar RATE -c:a pcm_s16le FILE.wav, with the model's rate"


def parse(data: bytes) -> Audio:
    """The sound of a .wav file. Raises MalformedError."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            form, samples = file.getparams(), file.readframes(file.getnframes())
    # What the module raises for a file that ends early, or whose chunks contradict each other.
    except (wave.Error, EOFError, struct.error, RuntimeError, ValueError) as error:
        raise MalformedError(f"it is not a .wav file of plain samples: {str(error) or 'it ends early'}") from error
    if form.nchannels != 1 or form.sampwidth != 2:
        cause = f"it has {form.nchannels} channels of {8 * form.sampwidth} bits; only 1 of 16 bits is read"
        raise MalformedError(cause, advice=_CONVERT)
    if len(samples) != 2 * form.nframes:
        cause = f"it has {len(samples) // 2} samples, and says {form.nframes}"
        raise MalformedError(cause, advice="it was cut; take it again from where it came from")
    return Audio(form.framerate, samples)
