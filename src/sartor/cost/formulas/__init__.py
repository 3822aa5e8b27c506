"""Formulas: what one run of each operator computes and moves, by family; one table from (domain, type) to formula."""

from __future__ import annotations

from sartor.cost.formulas import (
    attention,
    classical,
    convolution,
    elementwise,
    movement,
    normalisation,
    pooling,
    products,
    quantization,
    recurrent,
    reduction,
    resampling,
    selection,
    signal,
)
from sartor.cost.formulas.movement import VIEWS
from sartor.cost.formulas.work import Formula, Key, UnknownShapeError, Work
from sartor.cost.graph import Operator

FAMILIES: dict[str, dict[Key, Formula]] = {
    "matrix product": products.TABLE,
    "convolution": convolution.TABLE,
    "attention": attention.TABLE,
    "recurrent": recurrent.TABLE,
    "normalisation": normalisation.TABLE,
    "elementwise": elementwise.TABLE,
    "reduction": reduction.TABLE,
    "pooling": pooling.TABLE,
    "resampling": resampling.TABLE,
    "quantization": quantization.TABLE,
    "movement": movement.TABLE,
    "selection": selection.TABLE,
    "signal": signal.TABLE,
    "classical": classical.TABLE,
}
FORMULAS: dict[Key, Formula] = {key: formula for table in FAMILIES.values() for key, formula in table.items()}
_FAMILY = {key: family for family, table in FAMILIES.items() for key in table}


def find_formula(operator: Operator) -> Formula | None:
    """The formula of an operator; None where there is none."""
    return FORMULAS.get(_key(operator))


def family_of(operator: Operator) -> str:
    """The family that an operator belongs to; `control flow` for its bodies' sake, `unknown` without a formula.

    >>> family_of(Operator("", "Gemm", "", (), ()))
    'matrix product'
    """
    return _FAMILY.get(_key(operator), "control flow" if operator.bodies else "unknown")


def is_view(operator: Operator) -> bool:
    """Whether its first output is the memory of its first input."""
    return _key(operator) in VIEWS


def _key(operator: Operator) -> Key:
    return ("" if operator.domain == "ai.onnx" else operator.domain, operator.type)


__all__ = ["FAMILIES", "FORMULAS", "Formula", "UnknownShapeError", "Work", "family_of", "find_formula", "is_view"]
