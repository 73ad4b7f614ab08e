"""Images to normalised float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ...evidence.inputs import BATCH, ImageInput, Layout
from ...evidence.values import DType, Image, Input
from ..refusal import InputError
from .encoder import Shape


class ImageEncoder:
    """One float32 tensor, [images, channels, height, width] or with the channels last."""

    takes = Image
    at_once = 16

    def __init__(self, spec: ImageInput) -> None:
        self._spec = spec
        levels = np.arange(256, dtype=np.float64) / float(spec.divisor)
        pairs = zip(spec.mean, spec.scale, strict=True)
        # Every value that a pixel can have, by channel in the model's order.
        with np.errstate(over="ignore"):
            tables = [((levels - float(mean)) / float(scale)).astype(np.float32) for mean, scale in pairs]
        if not all(np.isfinite(table).all() for table in tables):
            raise InputError("the image input's mean and scale make numbers too large for 32 bits")
        self._tables = tables
        self._positions = [spec.channels.index(letter) for letter in spec.order]
        size = (spec.height, spec.width)
        first = spec.layout is Layout.CHANNELS_FIRST
        shape: Shape = (BATCH, len(spec.order), *size) if first else (BATCH, *size, len(spec.order))
        self.signature: tuple[tuple[DType, Shape], ...] = ((DType.F32, shape),)
        self.sizes: Mapping[str, tuple[int, int]] = {}

    def alike(self, _: Input) -> tuple[int, ...]:
        """They are all of one size."""
        return ()

    def tensors(self, images: Sequence[Image]) -> tuple[torch.Tensor, ...]:
        """The images. Raises InputError for another size."""
        spec, axis = self._spec, 0 if self._spec.layout is Layout.CHANNELS_FIRST else -1
        rows = []
        for image in images:
            given, wanted = (image.width, image.height, image.channels), (spec.width, spec.height, spec.channels)
            if given != wanted:
                sizes = f"{given[0]} x {given[1]} {given[2]}; the model takes {wanted[0]} x {wanted[1]} {wanted[2]}"
                raise InputError(f"the image is {sizes}", advice="decode and resize it to that before committing to it")
            pixels = np.frombuffer(image.pixels, np.uint8).reshape(spec.height, spec.width, len(spec.channels))
            channels = zip(self._tables, self._positions, strict=True)
            rows.append(np.stack([table[pixels[:, :, position]] for table, position in channels], axis=axis))
        return (torch.from_numpy(np.stack(rows)),)
