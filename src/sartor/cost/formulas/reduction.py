"""Reductions and running sums: so many operations for each element of the input, so many for each output.

n numbers take n - 1 additions or comparisons, which is written as n for each input element less one for each output,
and what is done with the result (TensorFlow's profiler, `flops_registry.py`, `_reduction_op_flops`).
"""

from __future__ import annotations

from sartor.cost.formulas.elementwise import per_input
from sartor.cost.formulas.work import MICROSOFT, ONNX, Formula, Work, arithmetic, elements, out_elements, under
from sartor.cost.graph import Operator


def _reduced(each: int, final: int = 0) -> Formula:
    """`each` before and in the fold, `final` for each output, which needs one fold less than it has inputs."""

    def formula(operator: Operator) -> Work:
        return arithmetic(operator, each * elements(operator) + (final - 1) * out_elements(operator))

    return formula


TABLE = {
    **under(
        ONNX,
        {
            **{name: _reduced(1) for name in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin")},
            **{name: _reduced(1) for name in ("ArgMax", "ArgMin")},
            "ReduceMean": _reduced(1, 1),
            "ReduceL1": _reduced(2),  # |x|
            "ReduceL2": _reduced(2, 1),  # x^2, root of the sum
            "ReduceSumSquare": _reduced(2),
            "ReduceLogSum": _reduced(1, 1),
            "ReduceLogSumExp": _reduced(4, 1),  # largest, shift, exp, sum
            **{name: per_input(1) for name in ("CumSum", "CumProd")},
        },
    ),
    **under(MICROSOFT, {"ReduceSumInteger": _reduced(1)}),
}
