"""What a user of the thirty models might have in a module of their own: networks, estimators, data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

SEED = 0


def separable(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Depthwise-separable convolutions over pictures (channels, height, width), MobileNet-like."""
    from torch import nn

    def block(come: int, leave: int, stride: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(come, come, 3, stride, 1, groups=come, bias=False)
        return [depthwise, nn.BatchNorm2d(come), nn.Conv2d(come, leave, 1), nn.BatchNorm2d(leave), nn.ReLU6()]

    first = [nn.Conv2d(input_shape[0], 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU6()]
    blocks = [*block(32, 64, 1), *block(64, 128, 2), *block(128, 128, 1)]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes))


def gated(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A table through gated linear units with a residual; `forward` is plain Python, not a Sequential."""
    import torch
    from torch import nn

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(input_shape[0])
            self.enter = nn.Linear(input_shape[0], 256)
            self.gate = nn.Linear(256, 512)
            self.leave = nn.Linear(256, classes)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            hidden = torch.nn.functional.gelu(self.enter(self.norm(rows)))
            value, gate = self.gate(hidden).chunk(2, dim=-1)
            scores: torch.Tensor = self.leave(hidden + value * torch.sigmoid(gate))
            return scores

    return Gated()


def pipeline() -> Any:
    """Scaling, principal components and a logistic regression."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), PCA(10, random_state=SEED), LogisticRegression(max_iter=1000))


def diabetes() -> tuple[Any, Any]:
    """442 patients, (n, 10) numbers, and how the disease went on after a year."""
    from sklearn.datasets import load_diabetes

    inputs, targets = load_diabetes(return_X_y=True)
    return inputs.astype("float32"), targets
