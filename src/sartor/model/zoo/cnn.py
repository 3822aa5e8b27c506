"""A short stack of convolutions."""

from __future__ import annotations

from torch import Tensor, nn

LARGE_SIDE = 32  # pixels; larger pictures are halved by the first convolution
WIDEST = 4  # the last layers have at most this many times the first width


def conv_norm(before: int, after: int, stride: int, kernel: int = 3) -> list[nn.Module]:
    """Convolution and batch norm, which an exporter folds into one operator."""
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    # fan-out keeps the size of gradients through ReLU (He et al. 2015, arXiv 1502.01852, eq. 14)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return [conv, nn.BatchNorm2d(after)]


class ConvolutionStack(nn.Module):
    """`depth` 3x3 convolutions with batch norm and ReLU, the mean over the picture, a linear layer.

    Each layer after the first halves the picture while at least 4 pixels are left, and doubles the
    channels up to 4 * `width`. Shapes: (batch, channels, height, width) -> (batch, outputs).
    """

    def __init__(self, channels: int, side: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for number in range(depth):
            after = width * min(2**number, WIDEST)
            halve = side >= 4 and (number > 0 or side > LARGE_SIDE)
            layers += [*conv_norm(before, after, 2 if halve else 1), nn.ReLU()]
            side = (side + 1) // 2 if halve else side
            before = after
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(before, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, outputs)."""
        head: Tensor = self.head(self.features(images).mean((2, 3)))
        return head
