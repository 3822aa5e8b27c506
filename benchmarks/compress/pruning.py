"""Structured pruning against torch-pruning: the accuracy of networks that are twice as fast, as measured.

`zoo:resnet(width=16)` is trained on a quarter of CIFAR-10. It is narrowed by both tools until its f32 latency in ONNX
Runtime, measured against the whole network in the same launch groups, is half of what it was: each tool's own amount is
searched for. What comes out is recovered with the same teacher, rows, epochs and seeds, and judged on the same 3,000
untouched pictures: files by the same call of `sartor.train.recovery`, and the modules of torch-pruning also as they
are, with the batch normalisations that a file has folded. torch-pruning (`torch-pruning` on PyPI) ranks channels by its
default, group magnitude, in three settings; ours is held against what did best.

    python benchmarks/compress/pruning.py [--data FILE.tar] [--epochs 8] [--seeds 2] [--folder OUT]

It holds when ours is not proved to be less accurate than the best of them: the mean over seeds, at 95%.
"""

from __future__ import annotations

import copy
import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from _cut import PEERS, Bench, Cut, Ours, Theirs, cut_to, fed
from _ready import OpenedNeed, open_need
from _record import record

from _common import arguments
from sartor import Need
from sartor.data.metrics import predicted_classes
from sartor.measure.latency import Feed, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.process import Child
from sartor.measure.quality_bounds import Outputs, paired_counts
from sartor.measure.quantiles import mean_bounds_of_launches, ratio_bounds, resolution
from sartor.measure.statistics import paired_drop_bounds
from sartor.model.export import export_torch
from sartor.model.torch import build_module
from sartor.model.values import ExportedModel
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared
from sartor.train.loop import train
from sartor.train.values import TrainedModel, TrainingJob, TrainingSettings
from sartor.units import parse

if TYPE_CHECKING:
    from torch import nn

OURS, AS_MODULE = "ours", ", as a module"
TARGET = 2.0
ALPHA = 0.05
SETTINGS = Settings("f32", 1, "dynamic")  # one thread: quieter than two where neighbours share the cores
_EXAMPLE_ROWS, _ROWS_A_CALL = 8, 100
_RECOVERY_SECONDS = 3600.0


def open_task(data: Path, folder: Path) -> OpenedNeed:
    """The network and its rows."""
    need = Need(
        task="image-classification",
        model="zoo:resnet(width=16)",
        data=str(data.resolve()),
        require={"accuracy_drop": "<= 1 pt"},
    )
    return open_need(need, folder, Path.cwd())


def trained(opened: OpenedNeed, seconds: float) -> TrainedModel:
    """The whole network, as a module, since torch-pruning cuts modules."""
    inputs = Prepared.load(opened.inputs.saved)
    example = inputs.take(np.arange(_EXAMPLE_ROWS))
    classes = len(opened.disk.dataset.classes)
    job = TrainingJob(
        lambda: build_module(opened.model, example, classes, Path.cwd()),
        inputs,
        opened.disk.dataset.labels,
        classes,
        settings=TrainingSettings(time_limit_s=seconds),
        threads=2,
        rows=opened.disk.rows("train"),
        shifts=True,
    )
    return train(job, lambda progress: None)


def cuts(opened: OpenedNeed, model: TrainedModel, whole: ExportedModel, bench: Bench, folder: Path) -> dict[str, Cut]:
    """Each tool's file at the measured time; a setting of the peer that cannot reach it is left out."""
    example = Prepared.load(opened.inputs.saved).take(np.arange(_EXAMPLE_ROWS))
    found = {}
    with Child("sartor.fit.job") as worker:
        print(OURS)
        found[OURS] = cut_to(Ours(opened, whole, SETTINGS, folder, worker).make, bench, TARGET)
    for name in PEERS:
        print(name)
        try:
            found[name] = cut_to(Theirs(model.module, example, name, folder).make, bench, TARGET)
        except ValueError as reason:
            print(f"{name}: {reason}")
    return found


def recovered(opened: OpenedNeed, cut: Cut, whole: ExportedModel, epochs: int, seed: int) -> dict[str, Any]:
    """The narrowed file trained on; every tool's with the same steps."""
    request = {
        "do": "recover",
        "source": str(cut.exported.path),
        "teacher": str(whole.path),
        "answers": None,
        "through": None,
        "inputs": fed(opened, whole),
        "labels": str(opened.disk.labels_path),
        "rows": str(opened.disk.rows_path("train")),
        "kind": opened.need.kind,
        "output": whole.signature.outputs[0].name,
        "settings": {"epochs": epochs},
        "seed": seed,
        "threads": 2,
        "shifts": True,
        "may_lose": None,
        "floor": None,
        "to": str(cut.exported.path.with_suffix(f".recovered-{seed}.onnx")),
    }
    with Child("sartor.fit.job") as worker:
        return worker.ask(request, _RECOVERY_SECONDS)


def recovered_module(
    opened: OpenedNeed, module: nn.Module, teacher: nn.Module, epochs: int, seed: int, to: Path
) -> dict[str, Any]:
    """A narrowed module trained on as it is, and its file."""
    inputs = Prepared.load(opened.inputs.saved)
    job = TrainingJob(
        lambda: module,
        inputs,
        opened.disk.dataset.labels,
        len(opened.disk.dataset.classes),
        settings=TrainingSettings(epochs=epochs, recovers=True),
        seed=seed,
        threads=2,
        rows=opened.disk.rows("train"),
        shifts=True,
        teacher=lambda: copy.deepcopy(teacher),
    )
    made = train(job, lambda progress: None)
    exported = export_torch(made.module, inputs.take(np.arange(_EXAMPLE_ROWS)), to)
    return {"path": str(exported.path), "epochs": len(made.history), "seconds": made.seconds}


def outputs_of(path: Path, opened: OpenedNeed, whole: ExportedModel) -> Array:
    """(n, classes) scores of the confirm rows."""
    session = open_runtime("onnxruntime").load(path, Settings("f32", 2, "dynamic"))
    inputs, rows = Prepared.load(fed(opened, whole)), opened.disk.rows("confirm")
    parts = [rows[start : start + _ROWS_A_CALL] for start in range(0, len(rows), _ROWS_A_CALL)]
    return np.concatenate([np.array(session.run(inputs.take(part).arrays)[0]) for part in parts])


def compared(labels: Array, ours: Array, theirs: Array) -> dict[str, Any]:
    """McNemar's exact test and bounds of what ours loses to the other on the same rows."""
    from scipy.stats import binomtest

    lost, gained, _ = paired_counts(Outputs(labels, ours, theirs))
    bounds = paired_drop_bounds(lost, gained, len(labels), ALPHA)
    p_value = float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0
    return {"lost": lost, "gained": gained, "p": p_value, "drop": bounds.value, "low": bounds.low, "high": bounds.high}


def speeds(found: Mapping[str, Cut], bench: Bench) -> dict[str, Any]:
    """All files timed once more together, with the whole network twice."""
    variants = {"whole": bench.variant(bench.whole), "again": bench.variant(bench.whole)}
    variants |= {name: bench.variant(cut.exported.path) for name, cut in found.items()}
    seconds = time_launches(variants, dict.fromkeys(variants, bench.feed), NoiseGate()).seconds
    pairs = {name: list(zip(seconds["whole"], seconds[name], strict=True)) for name in seconds}
    ratios = {name: ratio_bounds(pairs[name], ALPHA) for name in found}
    told = {name: {"value": each.value, "low": each.low, "high": each.high} for name, each in ratios.items()}
    return {"speedup": told, "resolution": resolution(pairs["again"], ALPHA)}


def accuracy(outputs: Array, labels: Array) -> float:
    """Share of rows that are right."""
    return float((predicted_classes(outputs) == labels).mean())


def judged(outputs: Mapping[str, list[Array]], labels: Array) -> dict[str, Any]:
    """Accuracies seed by seed, and ours against the best of the others: pair by pair, and over seeds."""
    right = {
        name: [float((predicted_classes(each) == labels).mean()) for each in all_] for name, all_ in outputs.items()
    }
    others = [name for name in outputs if name != OURS]
    best = max(others, key=lambda name: np.mean(right[name]))
    pairs = [compared(labels, ours, theirs) for ours, theirs in zip(outputs[OURS], outputs[best], strict=True)]
    if len(pairs) > 1:
        over = mean_bounds_of_launches([-pair["drop"] for pair in pairs], ALPHA)
        gain = {"value": over.value, "low": over.low, "high": over.high}
    else:
        gain = {"value": -pairs[0]["drop"], "low": -pairs[0]["high"], "high": -pairs[0]["low"]}
    return {"accuracy": right, "best_peer": best, "pairs": pairs, "gain": gain}


def run(data: Path, folder: Path, seconds: float, epochs: int, seeds: int) -> dict[str, Any]:
    """Everything, as figures."""
    opened = open_task(data, folder)
    model = trained(opened, seconds)
    inputs = Prepared.load(opened.inputs.saved)
    whole = export_torch(model.module, inputs.take(np.arange(_EXAMPLE_ROWS)), folder / "whole.onnx")
    bench = Bench(whole.path, Feed(fed(opened, whole), opened.disk.rows_path("select"), 1), SETTINGS)
    found = cuts(opened, model, whole, bench, folder)
    outputs: dict[str, list[Array]] = {}
    for seed in range(seeds):
        for name, cut in found.items():
            ways = {name: recovered(opened, cut, whole, epochs, seed)}
            if name in PEERS:
                theirs = Theirs(model.module, inputs.take(np.arange(_EXAMPLE_ROWS)), name, folder).narrowed(cut.amount)
                to = cut.exported.path.with_suffix(f".module-{seed}.onnx")
                ways[f"{name}{AS_MODULE}"] = recovered_module(opened, theirs, model.module, epochs, seed, to)
            for way, made in ways.items():
                print(f"{way}, seed {seed}: {made['epochs']} epochs, {made['seconds']:.0f} s", flush=True)
                outputs.setdefault(way, []).append(outputs_of(Path(made["path"]), opened, whole))
    labels = opened.disk.labels("confirm")
    before = accuracy(outputs_of(whole.path, opened, whole), labels)
    told = {
        name: {"amount": cut.amount, "parameters": cut.exported.parameters, "searched": cut.speedup}
        for name, cut in found.items()
    }
    return {"whole": before, "cuts": told, **speeds(found, bench), **judged(outputs, labels)}


def show(figures: Mapping[str, Any]) -> None:
    """The table."""
    print(f"whole: accuracy {figures['whole']:.4f}; resolution {figures['resolution']:.1%}")
    for name, accuracies in figures["accuracy"].items():
        speedup = figures["speedup"][name.removesuffix(AS_MODULE)]
        each = ", ".join(f"{value:.4f}" for value in accuracies)
        print(
            f"{name:44} {speedup['value']:.2f}x [{speedup['low']:.2f}, {speedup['high']:.2f}]   "
            f"accuracy {np.mean(accuracies):.4f} ({each})"
        )
    points = [f"{1e2 * figures['gain'][which]:+.2f}" for which in ("value", "low", "high")]
    print(f"{OURS} over {figures['best_peer']}: {points[0]} pt [{points[1]}, {points[2]}]")


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10_subset.tar"))
    parser.add_argument("--training", default="10 min", help="time that the whole network is trained for")
    parser.add_argument("--epochs", type=int, default=8, help="of each recovery")
    parser.add_argument("--seeds", type=int, default=2, help="recoveries of each file")
    parser.add_argument("--results", type=Path, help="also append the JSON line to this file")
    options = parser.parse_args()
    if importlib.util.find_spec("torch_pruning") is None or not options.data.is_file():
        print("skipped: it needs the package torch-pruning and --data FILE.tar")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        seconds = parse(options.training).value
        figures = run(options.data, folder, seconds, options.epochs, options.seeds)
    show(figures)
    return record("pruning", figures, figures["gain"]["high"] >= 0.0, options.results)


if __name__ == "__main__":
    sys.exit(main())
