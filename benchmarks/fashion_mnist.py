"""zoo:resnet on Fashion-MNIST, `accuracy_drop <= 1 pt`: how much faster than its best f32, and than the usual tools.

The figure to reach: at least 2.5x its best f32, paired. Peers, built here with their defaults and timed in the
same launch groups: ONNX Runtime static and dynamic int8, NNCF post-training int8 in OpenVINO.

    python benchmarks/fashion_mnist.py [--data FOLDER] [--folder OUT]

Data: the four standard idx files; Debian's package `dataset-fashion-mnist` has them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, finish
from sartor import Bundle, Need, fit
from sartor.bundle.values import Variant
from sartor.data.sources_idx import read_idx_folder
from sartor.measure.latency import Feed, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.quantiles import ratio_bounds
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.report.terminal import PlainTerminal
from sartor.runtime.base import Settings

DATA = Path("/usr/share/datasets/fashion-mnist")
TARGET = 2.5
CALIBRATION_ROWS = 300


def need(data: Path) -> Need:
    """What is asked."""
    return Need(
        task="image-classification",
        model="zoo:resnet",
        data=str(data),
        require={"accuracy_drop": "<= 1 pt"},
        budget={"time": "15 min"},
    )


class _Rows:
    """Calibration rows, one at a time, in the form that ONNX Runtime's quantizer asks for."""

    def __init__(self, name: str, rows: Any) -> None:
        self._feeds = iter([{name: rows[index : index + 1]} for index in range(len(rows))])

    def get_next(self) -> Any:
        return next(self._feeds, None)


def build_peers(source: Path, name: str, rows: Any, folder: Path) -> dict[str, tuple[str, Path]]:
    """The usual tools with their defaults."""
    import nncf
    import onnx
    import openvino
    from onnxruntime.quantization import quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = folder / "prepared.onnx"
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    static, dynamic, ptq = folder / "static.onnx", folder / "dynamic.onnx", folder / "ptq.xml"
    quantize_static(str(prepared), str(static), _Rows(name, rows))
    bare = onnx.load(source)  # its shape inference stumbles over shapes that the exporter noted
    del bare.graph.value_info[:]
    quantize_dynamic(bare, str(dynamic))
    quantized = nncf.quantize(openvino.Core().read_model(source), nncf.Dataset([row[None] for row in rows]))
    openvino.save_model(quantized, ptq)
    return {
        "ONNX Runtime static int8": ("onnxruntime", static),
        "ONNX Runtime dynamic int8": ("onnxruntime", dynamic),
        "NNCF post-training int8": ("openvino", ptq),
    }


def compare(bundle: Bundle, folder: Path, inputs: Any) -> dict[str, Any]:
    """Chosen, candidate zero and peers (each at 1 and 2 threads) in the same launch groups."""
    evidence = bundle.evidence
    entry = bundle.manifest.variants[evidence["zero"]]
    zero_source = next(
        bundle.folder / e.files[0]
        for e in bundle.manifest.variants.values()
        if e.files[0].endswith(".onnx") and not e.reduced_precision
    )
    rows = bundle.prepare(inputs[:CALIBRATION_ROWS])
    name = entry.signature["inputs"][0]["name"]
    np.save(folder / "inputs.npy", rows)
    np.save(folder / "rows.npy", np.arange(len(rows)))
    variants = {
        label: Variant(Candidate.from_dict(e.candidate), bundle.folder / e.files[0], e.size_bytes)
        for label, e in (("chosen", bundle.manifest.variants[evidence["chosen"]]), ("zero", entry))
    }
    for label, (runtime, path) in build_peers(zero_source, name, rows, folder).items():
        for threads in (1, 2):
            candidate = Candidate("peer", Recipe(), runtime, Settings("f32", threads, "dynamic"))
            variants[f"{label}, {threads} thread(s)"] = Variant(candidate, path, 0)
    feed = Feed({name: folder / "inputs.npy"}, folder / "rows.npy", 1)
    seconds = time_launches(variants, dict.fromkeys(variants, feed), NoiseGate(), launches=5).seconds
    table = {}
    for label, launches in seconds.items():
        ratio = ratio_bounds(list(zip(seconds["zero"], launches, strict=True)), 0.05)
        median = float(np.median([np.median(launch) for launch in launches]))
        table[label] = {"p50_s": median, "speedup": ratio.value, "low": ratio.low, "high": ratio.high}
        print(f"{label:40} {1e3 * median:8.3f} ms   {ratio.value:5.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]")
    return table


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no folder {options.data}; install the data set or give --data")
        return 0
    from rich.console import Console

    with tempfile.TemporaryDirectory() as scratch:
        output = options.folder or Path(scratch) / "out"
        result = fit(need(options.data), output, watch=PlainTerminal(Console(stderr=True)))
        print(result.sentence)
        if result.outcome != "met":
            return finish("fashion_mnist", {"values": result.values}, False)
        table = compare(Bundle.load(output), Path(scratch), read_idx_folder(options.data).inputs)
    speedup = result.values["speedup"]
    peers = [row["speedup"] for label, row in table.items() if label not in ("chosen", "zero")]
    summary = {
        "chosen": result.values["chosen"]["id"],
        "speedup": speedup,
        "drop": result.values["limits"][0],
        "accuracy": result.values["measured"]["quality"],
        "against_best_peer": table["chosen"]["speedup"] / max(peers),
        "table": table,
        "elapsed_s": result.values["elapsed_s"],
    }
    return finish("fashion_mnist", summary, speedup["value"] >= TARGET)


if __name__ == "__main__":
    sys.exit(main())
