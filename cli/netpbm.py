"""Images in netpbm's binary formats: .pgm (grey) and .ppm (colour), 8 bits a channel, one image a file.

Pixels without compression, so there is one way to decode them. https://netpbm.sourceforge.net/doc/ppm.html
"""

from __future__ import annotations

import re
from typing import Final

from ..evidence.encoding import MalformedError
from ..evidence.values import Channels, Image

# Between the numbers: blanks, and comments up to the end of a line. Before the pixels: one blank.
_GAP: Final = rb"(?:[ \t\n\v\f\r]|#[^\n\r]*[\n\r])+"
_NUMBER: Final = rb"([1-9][0-9]{0,8})"
_HEADER: Final = re.compile(rb"P([56])" + 3 * (_GAP + _NUMBER) + rb"[ \t\n\v\f\r]")
_CHANNELS: Final = {b"5": Channels.GREY, b"6": Channels.COLOUR}
_CONVERT: Final = "convert it: magick FILE -depth 8 FILE.ppm, or .pgm for grey"


def parse(data: bytes) -> Image:
    """The image of a .pgm or .ppm file. Raises MalformedError."""
    header = _HEADER.match(data)
    if header is None:
        raise MalformedError("it is not a binary .pgm or .ppm file (P5 or P6)", advice=_CONVERT)
    kind, width, height, white = header.groups()
    if int(white) != 255:
        raise MalformedError(f"its white is {int(white)}; only 255 is read, 8 bits a channel", advice=_CONVERT)
    return Image(int(width), int(height), _CHANNELS[kind], data[header.end() :])
