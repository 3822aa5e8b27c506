"""The dry run: splits, what can be proved, candidates and time, with nothing built or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sartor.data.values import SPLIT_NAMES
from sartor.fit.candidates import candidates_of
from sartor.fit.inputs import Opened, open_inputs, trains
from sartor.machine.device import this_machine
from sartor.model.onnx import read_signature
from sartor.model.values import Model
from sartor.need import Need
from sartor.plan.candidates import Plan
from sartor.units import format_value


def preview(need: Need, base: Path) -> dict[str, Any]:
    """What `fit` would do, as plain values.

    Raises:
        InputError: as `fit` would, before it trains anything.
    """
    opened = open_inputs(need, base)
    plans = [plan_of(need, model) for model in opened.models]
    refusals = [*opened.refusals, *dict.fromkeys(refusal for plan in plans for refusal in plan.refusals)]
    splits = opened.splits
    return {
        "splits": {
            "how": splits.how,
            "rows": {name: len(getattr(splits, name)) for name in SPLIT_NAMES},
            "dropped": len(splits.dropped),
        },
        "limits": [str(limit) for limit in opened.limits],
        "provable": list(opened.provable),
        "models": ", ".join(model.name for model in opened.models),
        "candidates": [candidate.as_dict() for plan in plans for candidate in plan.candidates],
        "refusals": [{"what": refusal.what, "why": refusal.why} for refusal in refusals],
        "time": _time(need, opened),
    }


def plan_of(need: Need, model: Model) -> Plan:
    """All candidates of one model. Zoo and torch models are exported with a dynamic batch."""
    shape = read_signature(model.path).inputs[0].shape if model.path is not None else ("batch",)
    return candidates_of(model.name, shape, need.workload.batch, this_machine())


def _time(need: Need, opened: Opened) -> str:
    trained = [model.name for model in opened.models if trains(need, model)]
    what = f"training {', '.join(trained)} included" if trained else "nothing is trained"
    return f"Time: at most {format_value(need.budget.time, 's')} ({what}); it ends earlier when nothing is left to try."
