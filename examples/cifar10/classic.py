"""The usual quantization script, and three checks of what it leaves behind. All three fail, so this exits with 1.

`python classic.py` writes the folder `classic`. Nothing is trained: what the checks look at does not depend on it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.ao.nn.quantized import dynamic
from transformers import ResNetConfig, ResNetForImageClassification

FOLDER = Path("classic")
CLASSES = 10  # of CIFAR-10


class Logits(nn.Module):
    """The scores alone, without transformers' output object."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, height, width) -> (batch, outputs)."""
        logits: torch.Tensor = self.network(pictures).logits
        return logits


@dataclass(frozen=True)
class Check:
    """What a result should be, and what it is."""

    what: str
    wanted: str
    got: str
    passed: bool


def classic() -> tuple[nn.Module, nn.Module]:
    """The script as it is often written; gives the network and its quantized copy."""
    # 1. A ResNet-50 as for ImageNet: nobody told it that there are ten classes.
    network = Logits(ResNetForImageClassification(ResNetConfig(num_labels=1000))).eval()
    example = torch.zeros(2, 3, 32, 32)
    batch = {"pictures": {0: torch.export.Dim("batch")}}
    torch.onnx.export(
        network, (example,), FOLDER / "net.onnx", dynamic_shapes=batch, external_data=False, verbose=False
    )
    torch.save(network.state_dict(), FOLDER / "net.pt")
    # 2. "Quantize the model": Linear layers only, since dynamic quantization takes no convolutions.
    quantize_dynamic: Callable[..., nn.Module] = torch.ao.quantization.quantize_dynamic
    quantized = quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    # 3. "Save the quantized model": but this is the network of step 1.
    torch.save(network.state_dict(), FOLDER / "quantized.pt")
    return network, quantized


def check_outputs() -> Check:
    """One score a class."""
    import onnx

    shape = onnx.load(FOLDER / "net.onnx").graph.output[0].type.tensor_type.shape
    outputs = shape.dim[1].dim_value
    return Check("outputs of net.onnx", f"{CLASSES}, one a class", str(outputs), outputs == CLASSES)


def check_share(network: nn.Module, quantized: nn.Module) -> Check:
    """Most weights are int8 after quantization."""
    everything = sum(weight.numel() for weight in network.parameters())
    layers: list[Any] = [part for part in quantized.modules() if isinstance(part, dynamic.Linear)]
    in_int8 = sum(layer.weight().numel() for layer in layers)
    share = in_int8 / everything
    return Check("weights in int8", "at least 90%", f"{share:.1%} ({in_int8:,} of {everything:,})", share >= 0.9)


def check_saved() -> Check:
    """The saved file is about a quarter of the original."""
    before, after = ((FOLDER / name).stat().st_size for name in ("net.pt", "quantized.pt"))
    got = f"{after / before:.0%} ({after / 1e6:.1f} MB of {before / 1e6:.1f} MB)"
    return Check("size of quantized.pt", "at most 30% of net.pt", got, after <= 0.3 * before)


def main() -> int:
    """Run the script, then the checks; 1 if one fails."""
    FOLDER.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of this very API
        network, quantized = classic()
        checks = [check_outputs(), check_share(network, quantized), check_saved()]
    for check in checks:
        print(f"{'passed' if check.passed else 'FAILED'}  {check.what}: wanted {check.wanted}; got {check.got}")
    return 0 if all(check.passed for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
