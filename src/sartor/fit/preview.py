"""The dry run: splits, what can be proved, candidates and time, with nothing built or run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sartor.data.values import SPLIT_NAMES
from sartor.fit.candidates import candidates_of, looks_attentive, wants_bytes
from sartor.fit.inputs import Opened, open_inputs, trains
from sartor.fit.preparing import cut_texts, specs_of
from sartor.fit.shrink import CUTS, SHRINKS_FOR
from sartor.machine.device import this_machine
from sartor.need import Need
from sartor.plan.candidates import Plan
from sartor.plan.shrinking import ladder
from sartor.steps import read_steps
from sartor.units import format_value

# A candidate with its share of a file: 36 of an LSTM took 19 s, 48 of PVTv2-B0 113 s on two cores
# (benchmarks/search_by_prediction.py).
_CANDIDATE_SECONDS = (0.5, 2.5)


def preview(need: Need, base: Path) -> dict[str, Any]:
    """What `fit` would do, as plain values.

    Raises:
        InputError: as `fit` would, before it trains anything.
    """
    opened = open_inputs(need, base)
    machine = this_machine()
    plans = [
        candidates_of(
            *(model.name, opened.rows[model.name], need.workload.batch, machine, opened.compressed.get(model.name, "")),
            for_bytes=wants_bytes(need),
            attends=looks_attentive(model),
        )
        for model in opened.models
    ]
    refusals = [*opened.refusals, *dict.fromkeys(refusal for plan in plans for refusal in plan.refusals)]
    splits = opened.splits
    return {
        "data": opened.description,
        "notes": [*(f"{name}: {said}" for name, said in opened.compressed.items()), *_cuts(need, opened, base)],
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
        "time": f"{_time(need, opened)} {_full_search(need, plans)}",
    }


def _cuts(need: Need, opened: Opened, base: Path) -> list[str]:
    """Texts that are longer than a model takes; what a zoo model's vocabulary makes of them only training tells."""
    dataset, said = opened.dataset, []
    for model in opened.models:
        if model.kind == "zoo" and need.preprocess is None:
            continue
        steps = read_steps(specs_of(need, model, dataset, base, (), base), base)
        if cut := cut_texts(steps, dataset.inputs):
            said.append(f"{model.name}: {cut}")
    return said


def _full_search(need: Need, plans: Sequence[Plan]) -> str:
    """What is to be tried if nothing can be left out; how long a call takes is not known yet."""
    candidates = [candidate for plan in plans for candidate in plan.candidates]
    files = len({candidate.variant_id for candidate in candidates})
    least, most = (format_value(each * len(candidates), "s") for each in _CANDIDATE_SECONDS)
    sizes = f"; then {len(CUTS) * len(ladder())} smaller networks" if need.minimise in SHRINKS_FOR else ""
    return (
        f"A full search builds {files} files and times {len(candidates)} candidates, {least} to {most} for a small "
        f"network{sizes}."
    )


def _time(need: Need, opened: Opened) -> str:
    trained = [model.name for model in opened.models if trains(need, model)]
    what = f"training {', '.join(trained)} included" if trained else "nothing is trained"
    return f"Time: at most {format_value(need.budget.time, 's')} ({what}); it ends earlier when nothing is left to try."
