"""Does a search that predicts choose as well as one that times every candidate, and in which share of its time?

Five networks with random weights, judged by their agreement with themselves, so that any recipe that keeps half of the
answers may win and speed decides. Each is fitted twice: `exhaustive`, then by prediction. What both chose is timed
again in the same launch groups. The figure to reach: as fast within 3% or the machine's resolution, whichever is
larger, in at most 40% of the time that the search takes: building and timing candidates and reading their answers. The
finals that follow are the same for both; the time of the whole fit is told beside it.

    python benchmarks/search_by_prediction.py [--only pvt-v2-b0] [--folder OUT]

With `--folder` a fit that came to its end is not made again by the same commit; one that was interrupted begins anew,
since its time is what counts.

Smaller networks are left out of both: what is held against each other is a list of candidates and a search over it.
Needs a calibration: `sartor probe --calibrate` on a quiet machine.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from _architectures import ARCHITECTURES, export
from _common import arguments, finish, header
from sartor import Bundle, Need, fit
from sartor.bundle.values import Variant
from sartor.fit.watch import Silent
from sartor.machine.calibration import Calibration
from sartor.machine.calibration_file import find_calibration, save_calibration
from sartor.machine.device import this_machine
from sartor.measure.latency import Feed, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.probe import runtime_versions
from sartor.measure.quantiles import ratio_bounds, resolution
from sartor.plan.candidates import Candidate

MODELS = {
    "resnet18": "image-classification",
    "mobilenet-v2": "image-classification",
    "levit-128s": "image-classification",
    "pvt-v2-b0": "image-classification",
    "lstm-keywords": "tabular-classification",
}
ROWS = 120
SHARE, WITHIN = 0.40, 0.03


class Stopwatch(Silent):
    """Seconds from the beginning at which each phase began."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.phases: dict[str, float] = {}

    def phase(self, title: str, steps: int | None = None) -> None:
        name = "screen" if title.endswith("screen") else title.split()[0]
        self.phases.setdefault(name, time.monotonic() - self.began)


def need(model: Path, data: Path, task: str) -> Need:
    """Any recipe that keeps half of the answers; the fastest."""
    return Need(
        task=task,
        model=str(model),
        data=str(data),
        train=False,
        require={"agreement": ">= 50%"},
        budget={"time": "15 min"},
    )


def searched(asked: Need, output: Path, *, exhaustive: bool) -> dict[str, Any]:
    """One fit, and what it took; as it was found before by the same commit in the same folder."""
    kept, commit = output.with_suffix(".json"), header()["commit"]
    if kept.exists() and (found := json.loads(kept.read_text(encoding="utf-8")))["commit"] == commit:
        return dict(found["figures"])
    shutil.rmtree(output, ignore_errors=True)
    figures = _searched(asked, output, exhaustive=exhaustive)
    kept.write_text(json.dumps({"commit": commit, "figures": figures}), encoding="utf-8")
    return figures


def _searched(asked: Need, output: Path, *, exhaustive: bool) -> dict[str, Any]:
    watch = Stopwatch()
    with patch.object(importlib.import_module("sartor.fit.fit"), "shrink"):
        result = fit(asked, output, exhaustive=exhaustive, watch=watch)
    candidates = Bundle.load(output).evidence["candidates"]
    return {
        "outcome": result.outcome,
        "chosen": result.values["chosen"]["id"],
        "search_s": watch.phases["choose"] - watch.phases["screen"],
        "whole_s": time.monotonic() - watch.began,
        "timed": sum(each["latency"] is not None for each in candidates),
        "candidates": len(candidates),
    }


def chosen_variant(output: Path) -> Variant:
    """What a bundle runs."""
    bundle = Bundle.load(output)
    candidate = Candidate.from_dict(next(c for c in bundle.evidence["candidates"] if c["status"] == "chosen"))
    (folder,) = (output / "variants").glob(f"{candidate.id}-*")
    main = next(path for path in sorted(folder.rglob("*")) if path.suffix in (".onnx", ".xml"))
    return Variant(candidate, main, 0)


def compared(first: Path, second: Path, inputs: np.ndarray, folder: Path) -> dict[str, float]:
    """Speed of what the second chose against the first's, in the same launch groups; with an A/A pair."""
    from sartor.steps.prepared import Prepared

    one, other = chosen_variant(first), chosen_variant(second)
    rows = folder / "rows.npy"
    np.save(rows, np.arange(len(inputs)))
    name = next(iter(Bundle.load(first).signature.inputs)).name
    feed = Feed(Prepared({name: inputs}).save(folder / "inputs"), rows, 1)
    variants = {"first": one, "again": one, "second": other}
    found = time_launches(variants, dict.fromkeys(variants, feed), NoiseGate(), launches=5, launch_seconds=1.0)
    pairs, twins = (
        list(zip(found.seconds["first"], found.seconds[other], strict=True)) for other in ("second", "again")
    )
    ratio = ratio_bounds(pairs, 0.05)
    return {
        "speed": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "resolution": resolution(twins, 0.05),
        "same": one.candidate.id == other.candidate.id,
    }


def both_searches(name: str, folder: Path, calibration: Calibration) -> dict[str, Any]:
    """One network, fitted in both ways, and what both chose against each other."""
    folder.mkdir(parents=True, exist_ok=True)
    model, data = folder / "network.onnx", folder / "rows.npz"
    if not model.exists():
        export(ARCHITECTURES[name], model)
    inputs = next(iter(ARCHITECTURES[name].rows(ROWS).arrays.values()))
    np.savez(data, inputs=inputs)
    asked, machine = need(model, data, MODELS[name]), this_machine()
    # Neither may profit from what an earlier fit found of the very same network.
    save_calibration(replace(calibration, experience=()), machine)
    every = searched(asked, folder / "exhaustive", exhaustive=True)
    save_calibration(replace(calibration, experience=()), machine)
    guided = searched(asked, folder / "predicted", exhaustive=False)
    pair = compared(folder / "exhaustive", folder / "predicted", inputs[:32], folder)
    share = guided["search_s"] / every["search_s"]
    as_good = pair["same"] or pair["speed"] >= 1.0 - max(WITHIN, pair["resolution"])
    print(
        f"{name:16} {every['search_s']:6.1f} s for {every['timed']:3} of {every['candidates']:3}   "
        f"{guided['search_s']:6.1f} s for {guided['timed']:3}   share {share:4.0%}, "
        f"of the whole fit {guided['whole_s'] / every['whole_s']:4.0%}   "
        f"speed {pair['speed']:.3f} [{pair['low']:.3f}, {pair['high']:.3f}], resolution "
        f"{pair['resolution']:.1%}   {guided['chosen']}" + ("" if pair["same"] else f" (not {every['chosen']})"),
        flush=True,
    )
    return {"model": name, "exhaustive": every, "predicted": guided, **pair, "share": share, "as_good": as_good}


def run(name: str, models: Sequence[str], most: float, folder: Path | None) -> int:
    """Fit these networks, and record under this name whether the searches take at most that share of the time."""
    calibration = find_calibration(this_machine(), runtime_versions()).calibration
    if calibration is None:
        print("no calibration: run `sartor probe --calibrate` first")
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        home = (folder or Path(temporary)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        os.environ["SARTOR_HOME"] = str(home / "known")  # what these fits find out is not for later predictions
        rows = [both_searches(model, home / model, calibration) for model in models]
    whole = sum(r["predicted"]["search_s"] for r in rows) / sum(r["exhaustive"]["search_s"] for r in rows)
    holds = all(row["as_good"] and row["share"] <= most for row in rows)
    return finish(name, {"rows": rows, "share_of_all": whole, "most": most}, holds)


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=list(MODELS), action="append", help="one of the networks; may be repeated")
    options = parser.parse_args()
    return run("search_by_prediction", options.only or list(MODELS), SHARE, options.folder)


if __name__ == "__main__":
    sys.exit(main())
