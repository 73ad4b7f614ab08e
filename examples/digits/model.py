"""A residual network (He et al. 2016) for small grey images: three blocks, 24,682 parameters."""

from __future__ import annotations

from torch import Tensor, nn

CLASSES = 10


class Block(nn.Module):
    """Two convolutions with batch norm, added to what came in."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.convolution1 = nn.Conv2d(given, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.convolution2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        same = stride == 1 and given == width
        self.shortcut = nn.Identity() if same else nn.Conv2d(given, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [batch, given, height, width] to [batch, width, height / stride, width / stride]."""
        y = self.norm1(self.convolution1(x)).relu()
        z: Tensor = (self.norm2(self.convolution2(y)) + self.shortcut(x)).relu()
        return z


class ResidualNetwork(nn.Module):
    """Images to a score for each digit."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 24, 2), Block(24, 24, 1))
        self.scores = nn.Linear(24, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """float32 [batch, 1, 8, 8] to float32 [batch, CLASSES]."""
        y: Tensor = self.scores(self.blocks(self.stem(images)).mean((2, 3)))
        return y
