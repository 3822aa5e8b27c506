"""Networks cut to a measured time: by Sartor's own steps, and by torch-pruning with its defaults."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _ready import OpenedNeed

from sartor.bundle.values import Variant
from sartor.compress.pruning.time_share import MEASURED_SHARES
from sartor.measure.latency import Feed, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.process import Child
from sartor.measure.quantiles import ratio_bounds
from sartor.model.export import export_torch
from sartor.model.values import ExportedModel
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from torch import nn

_JOB_SECONDS = 900.0
_CALIBRATION_ROWS, _PROFILED_CALLS = 300, 20  # as a fit takes
_STEPS = 6  # of a search for an amount
_LAUNCHES, _LAUNCH_SECONDS = 3, 0.5  # of one measurement in it
PEERS: Mapping[str, Mapping[str, Any]] = {
    "torch-pruning, each layer": {},
    "torch-pruning, each layer, by 8": {"round_to": 8},
    "torch-pruning, all layers": {"global_pruning": True},
}
"""Settings of its pruner: its own defaults, the multiple that its README recommends, and one ranking for all layers."""


@dataclass(frozen=True)
class Cut:
    """One narrowed file.

    Attributes:
        amount: what was asked of the tool: a share of the layers' time, or one less its pruning ratio.
        speedup: over the whole network, as measured while searching.
    """

    exported: ExportedModel
    amount: float
    speedup: float


@dataclass(frozen=True)
class Bench:
    """Times files in ONNX Runtime against the whole network, in the same launch groups."""

    whole: Path
    feed: Feed
    settings: Settings

    def variant(self, path: Path) -> Variant:
        """A file as it is timed here."""
        return Variant(Candidate("cut", Recipe(), "onnxruntime", self.settings), path, 0)

    def speedup(self, path: Path) -> float:
        """How many times as fast as the whole network."""
        pair = {"whole": self.variant(self.whole), "cut": self.variant(path)}
        found = time_launches(
            pair, dict.fromkeys(pair, self.feed), NoiseGate(), launches=_LAUNCHES, launch_seconds=_LAUNCH_SECONDS
        ).seconds
        return ratio_bounds(list(zip(found["whole"], found["cut"], strict=True)), 0.05).value


def cut_to(make: Callable[[float], ExportedModel], bench: Bench, target: float) -> Cut:
    """The largest amount, by bisection, at which a file is measured to be `target` times as fast.

    Raises:
        ValueError: not even the smallest amount is.
    """
    low, high, best = 0.05, 0.95, None
    for _ in range(_STEPS):
        amount = (low + high) / 2
        exported = make(amount)
        speedup = bench.speedup(exported.path)
        print(f"  {amount:.3f}: {speedup:.2f}x, {exported.parameters:,} parameters", flush=True)
        if speedup >= target:
            low, best = amount, Cut(exported, amount, speedup)
        else:
            high = amount
    if best is None:
        raise ValueError(f"nothing down to {high:.2f} is {target} times as fast")
    return best


@dataclass(frozen=True)
class Ours:
    """Units chosen by importance and measured layer times, as a fit does it."""

    opened: OpenedNeed
    whole: ExportedModel
    settings: Settings
    folder: Path
    worker: Child = field(repr=False)

    def make(self, share: float) -> ExportedModel:
        """The file whose layers take a share of their time."""
        asked = {
            "do": "prune",
            "measured": self._measured,
            "importance": self._importance,
            "share": share,
            "rows": str(self.opened.disk.rows_path("train")),
            "threads": 2,
        }
        return self._made(asked, f"ours-{share:.3f}")

    @cached_property
    def _importance(self) -> Any:
        """By what is a fit's default."""
        request = {
            "do": "importance",
            **self._source(self.whole),
            "rows": str(self.opened.disk.rows_path("train")),
            "measure": "activation",
            "output": self.whole.signature.outputs[0].name,
            "kind": self.opened.need.kind,
            "seed": 0,
            "threads": 2,
        }
        return self.worker.ask(request, _JOB_SECONDS)["units"]

    @cached_property
    def _measured(self) -> list[dict[str, Any]]:
        found = []
        for share in MEASURED_SHARES:
            narrow = self.whole if share == 1.0 else self._made({"do": "narrow", "share": share}, f"narrow-{share:g}")
            request = {
                "do": "layer_times",
                **self._source(narrow),
                "rows": str(self.opened.disk.rows_path("calibrate")),
                "most_rows": _CALIBRATION_ROWS,
                "runtime": "onnxruntime",
                "file": str(narrow.path),
                "settings": self.settings.as_dict(),
                "calls": _PROFILED_CALLS,
            }
            found.append({"share": share, **self.worker.ask(request, _JOB_SECONDS)})
        return found

    def _made(self, request: Mapping[str, Any], name: str) -> ExportedModel:
        made = self.worker.ask(
            {**self._source(self.whole), **request, "to": str(self.folder / f"{name}.onnx")}, _JOB_SECONDS
        )
        return ExportedModel(Path(made["path"]), self.whole.signature, made["parameters"])

    def _source(self, exported: ExportedModel) -> dict[str, Any]:
        return {
            "source": str(exported.path),
            "signature": exported.signature.as_dict(),
            "parameters": exported.parameters,
            "inputs": fed(self.opened, self.whole),
        }


@dataclass(frozen=True)
class Theirs:
    """The same module cut by torch-pruning, with the importance that is its default, and exported."""

    module: nn.Module
    example: Prepared
    name: str
    folder: Path

    def make(self, kept: float) -> ExportedModel:
        """The file without a share of 1 - kept of the channels."""
        file = f"{self.name.replace(', ', '-').replace(' ', '-')}-{kept:.3f}.onnx"
        return export_torch(self.narrowed(kept), self.example, self.folder / file)

    def narrowed(self, kept: float) -> nn.Module:
        """The module without them, with its normalisations."""
        import torch
        import torch_pruning  # optional: whoever runs this installs it
        from torch import nn

        narrowed = copy.deepcopy(self.module).eval()
        head = [part for part in narrowed.modules() if isinstance(part, nn.Linear)][-1]
        (array,) = self.example.arrays.values()
        pruner = torch_pruning.pruner.BasePruner(
            narrowed,
            torch.from_numpy(np.array(array, np.float32)),
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=1.0 - kept,
            ignored_layers=[head],
            **PEERS[self.name],
        )
        pruner.step()
        return narrowed


def fed(opened: OpenedNeed, exported: ExportedModel) -> dict[str, Any]:
    """All rows on disk, under the name of a file's only input."""
    saved = opened.inputs.saved
    (path,) = saved["arrays"].values()
    return {**saved, "arrays": {exported.signature.inputs[0].name: path}}
