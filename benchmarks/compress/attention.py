"""Attention in one operator of ONNX Runtime: what it saves, network by network.

Networks with random weights, each as it was exported and with its attention in one operator, in f32
and in dynamic int8, timed on all cores in the same launch groups. Nothing is to be reached; told are the operators
before and after, by how much answers in f32 differ, and the time with its interval.

    python benchmarks/compress/attention.py [--only minilm-l6] [--folder OUT] [--results benchmarks/results.jsonl]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import onnx
from _record import record

from _architectures import ARCHITECTURES, export
from _common import arguments
from sartor.bundle.values import Variant
from sartor.compress import onnxruntime_int8
from sartor.compress.attention import fuse_attention
from sartor.compress.build import build
from sartor.machine.device import this_machine
from sartor.measure.latency import Feed, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.quantiles import ratio_bounds, resolution
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

NETWORKS = ("minilm-l6", "distilbert", "electra-small", "bert-base", "deit-small", "beit-tiny", "vit-tiny")
ROWS = 8


def files_of(name: str, folder: Path, rows: Prepared) -> dict[str, tuple[Path, Path]]:
    """As exported and fused, in f32 and in int8."""
    source = export(ARCHITECTURES[name], folder / "plain.onnx")
    onnx.save(fuse_attention(onnx.load(source.path)), folder / "fused.onnx")
    recipe = Recipe((CompressionStep("int8-dynamic"),))
    int8: list[Path] = []
    for how in (lambda model: model, fuse_attention):
        with patch.object(onnxruntime_int8, "fuse_attention", how):
            int8.append(build(recipe, source, "onnxruntime", rows, folder / f"int8-{len(int8)}").path)
    return {"f32": (source.path, folder / "fused.onnx"), "int8 dynamic": (int8[0], int8[1])}


def timed(files: tuple[Path, Path], rows: Prepared, folder: Path) -> dict[str, float]:
    """The fused file's time as a share of the plain one's, with the resolution of the plain one against itself."""
    numbers = folder / "rows.npy"
    np.save(numbers, np.arange(ROWS))
    feed = Feed(rows.save(folder / "inputs"), numbers, 1)
    settings = Settings(threads=this_machine().cores)
    plain, fused = (Variant(Candidate("net", Recipe(), "onnxruntime", settings), file, 0) for file in files)
    variants = {"plain": plain, "again": plain, "fused": fused}
    found = time_launches(variants, dict.fromkeys(variants, feed), NoiseGate(), launches=5, launch_seconds=0.6)
    pairs, twins = (list(zip(found.seconds[one], found.seconds["plain"], strict=True)) for one in ("fused", "again"))
    ratio = ratio_bounds(pairs, 0.05)
    return {
        "plain_s": float(np.median([np.median(launch) for launch in found.seconds["plain"]])),
        "share": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "resolution": resolution(twins, 0.05),
    }


def difference(files: tuple[Path, Path], rows: Prepared) -> float:
    """Largest difference of answers, as a share of the largest answer."""
    calls = [rows.take(slice(row, row + 1)).arrays for row in range(ROWS)]
    plain, fused = (
        np.concatenate([session.run(call)[0].copy() for call in calls])
        for session in (open_runtime("onnxruntime").load(file, Settings()) for file in files)
    )
    return float(np.abs(fused - plain).max() / np.abs(plain).max())


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=NETWORKS, action="append", help="one of the networks; may be repeated")
    parser.add_argument("--results", type=Path, help="also append the JSON line to this file")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.only or NETWORKS:
            folder = (options.folder or Path(temporary)).resolve() / name
            folder.mkdir(parents=True, exist_ok=True)
            rows = ARCHITECTURES[name].rows(ROWS)
            files = files_of(name, folder, rows)
            count = [len(onnx.load(file).graph.node) for file in files["f32"]]
            found[name] = {"operators": count, "difference": difference(files["f32"], rows)}
            print(f"{name}: {count[0]} operators, {count[1]} fused, answers {found[name]['difference']:.1e} apart")
            for form, pair in files.items():
                found[name][form] = one = timed(pair, rows, folder)
                print(
                    f"  {form:12} {1e3 * one['plain_s']:6.2f} ms, fused {one['share']:.2f} "
                    f"[{one['low']:.2f}, {one['high']:.2f}] of it, resolution {one['resolution']:.1%}",
                    flush=True,
                )
    return record("attention", found, True, options.results)


if __name__ == "__main__":
    sys.exit(main())
