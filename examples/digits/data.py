"""1,797 real handwritten digits, 8 x 8 pixels of 0 to 16 (Alpaydin and Kaynak 1998), as scikit-learn carries them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final

import numpy as np

from ...evidence.values import Channels, Image
from ..wheels import CACHE, member, take

# One of the library's wheels; the file is the same in all.
_WHEEL: Final = ("scikit_learn", "1.9.1", "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df")
_BUILT_FOR: Final = ("--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_28_x86_64")
SIDE, WHITE = 8, 16


def digits(cache: Path = CACHE) -> tuple[list[Image], list[int]]:
    """Every digit as an image, and which it is, in the order of the file. Raises WheelError."""
    text = gzip.decompress(member(take(*_WHEEL, cache, _BUILT_FOR), "sklearn/datasets/data/digits.csv.gz")).decode()
    rows = np.array([line.split(",") for line in text.splitlines()], dtype=float).astype(np.uint8)
    return [Image(SIDE, SIDE, Channels.GREY, row[:-1].tobytes()) for row in rows], rows[:, -1].tolist()
