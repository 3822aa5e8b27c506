"""The candidates of one model on this machine: what compression offers, crossed with what runtimes can do."""

from __future__ import annotations

from sartor.compress.applicable import recipes, why_not
from sartor.machine.device import Machine
from sartor.model.values import Dimension
from sartor.plan.candidates import Option, Plan, enumerate_candidates
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Precision

_PRECISIONS: tuple[Precision, ...] = ("f32", "bf16")


def candidates_of(model: str, input_shape: tuple[Dimension, ...], batch: int, machine: Machine) -> Plan:
    """All candidates, and every combination that is refused with its reason.

    Args:
        model: name of the model.
        input_shape: of its first input, the batch first; a name stands for a symbolic size.
        batch: rows of one call.
    """
    return enumerate_candidates(
        model,
        [Option(recipe, name, why_not(recipe, name, machine)) for name in RUNTIMES for recipe in recipes(name)],
        [(name, p, open_runtime(name).why_not(p)) for name in RUNTIMES for p in _PRECISIONS],
        cores=machine.cores,
        batch=batch,
        fixed_rows=all(isinstance(size, int) for size in input_shape[1:]),
        dynamic_batch=not isinstance(input_shape[0], int),
    )
