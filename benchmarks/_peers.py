"""The usual tools with their defaults, built here and timed in the same launch groups as what Sartor chose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sartor import Bundle
from sartor.bundle.values import Variant
from sartor.measure.latency import Feed, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.quantiles import ratio_bounds
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

CALIBRATION_ROWS = 300
Peers = dict[str, tuple[str, Path]]


class _Rows:
    """Calibration rows, one at a time, in the form that ONNX Runtime's quantizer asks for."""

    def __init__(self, rows: Prepared) -> None:
        self._feeds = single_rows(rows)

    def get_next(self) -> Any:
        return next(self._feeds, None)


def single_rows(rows: Prepared) -> Iterator[dict[str, Any]]:
    """One row after the other, as long as it is."""
    for index in range(len(rows)):
        one = rows.take(slice(index, index + 1)).trimmed()
        yield {name: np.ascontiguousarray(array) for name, array in one.arrays.items()}


def build_peers(source: Path, rows: Prepared, folder: Path, *, transformer: bool = False) -> Peers:
    """ONNX Runtime's static and dynamic int8 and NNCF's post-training int8, label -> (runtime, file)."""
    import nncf
    import onnx
    import openvino
    from onnxruntime.quantization import quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = folder / "prepared.onnx"
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    static, dynamic, ptq = folder / "static.onnx", folder / "dynamic.onnx", folder / "ptq.xml"
    quantize_static(str(prepared), str(static), _Rows(rows))
    bare = onnx.load(source)  # its shape inference stumbles over shapes that the exporter noted
    del bare.graph.value_info[:]
    quantize_dynamic(bare, str(dynamic))
    kind = nncf.ModelType.TRANSFORMER if transformer else None
    dataset = nncf.Dataset(list(single_rows(rows)))
    openvino.save_model(nncf.quantize(openvino.Core().read_model(source), dataset, model_type=kind), ptq)
    return {
        "ONNX Runtime static int8": ("onnxruntime", static),
        "ONNX Runtime dynamic int8": ("onnxruntime", dynamic),
        "NNCF post-training int8": ("openvino", ptq),
    }


def trained_file(output: Path) -> Path:
    """The trained network, exported, as the run left it; the bundle may hold other formats only."""
    return next((output / ".work" / "models").glob("*/trained.onnx"))


def variants_of(bundle: Bundle) -> dict[str, Variant]:
    """What Sartor chose, and candidate zero."""
    entries, evidence = bundle.manifest.variants, bundle.evidence
    named = {"chosen": entries[evidence["chosen"]], "zero": entries[evidence["zero"]]}
    return {
        label: Variant(Candidate.from_dict(entry.candidate), bundle.folder / entry.files[0], entry.size_bytes)
        for label, entry in named.items()
    }


def settings_of_peers(peers: Peers, shapes: Mapping[str, tuple[Settings, ...]]) -> dict[str, Variant]:
    """Every peer at one and two threads in each shape policy of its runtime."""
    found = {}
    for label, (runtime, path) in peers.items():
        for settings in shapes[runtime]:
            candidate = Candidate("peer", Recipe(), runtime, settings)
            found[f"{label}, {settings.threads} thread(s), {settings.shape}"] = Variant(candidate, path, 0)
    return found


def compare(variants: Mapping[str, Variant], rows: Prepared, folder: Path, against: str = "zero") -> dict[str, Any]:
    """Median latency of each and its speed-up over `against`, over five groups of fresh processes."""
    np.save(folder / "rows.npy", np.arange(len(rows)))
    feed = Feed(rows.save(folder / "compared"), folder / "rows.npy", 1)
    seconds = time_launches(variants, dict.fromkeys(variants, feed), NoiseGate(), launches=5).seconds
    table = {}
    for label, launches in seconds.items():
        ratio = ratio_bounds(list(zip(seconds[against], launches, strict=True)), 0.05)
        median = float(np.median([np.median(launch) for launch in launches]))
        table[label] = {"p50_s": median, "speedup": ratio.value, "low": ratio.low, "high": ratio.high}
        print(f"{label:55} {1e3 * median:8.3f} ms   {ratio.value:5.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]")
    return table


def against_best(table: Mapping[str, Any], variants: Mapping[str, Variant], rows: Prepared, folder: Path) -> Any:
    """The chosen one against the fastest peer, paired once more by themselves: speed-up with bounds."""
    best = min((label for label in table if label not in ("chosen", "zero")), key=lambda label: table[label]["p50_s"])
    print(f"the fastest peer: {best}")
    return {"peer": best, **compare({name: variants[name] for name in ("chosen", best)}, rows, folder, best)["chosen"]}
