"""Recurrent layers: for each step and direction two matrix products with all gates, then the gates.

Per step and row: 2 gates * hidden * (inputs + hidden) for the products, which is two FLOP for each number of W and R,
and the equations of the gates, counted with the weights of `elementwise.py` (https://onnx.ai/onnx/operators/: LSTM
after Hochreiter and Schmidhuber 1997, GRU after Cho et al. 2014, arXiv 1406.1078). W and R are read once: a runtime
that cannot keep them in its caches reads them again at each step.
"""

from __future__ import annotations

from sartor.cost.formulas.elementwise import WEIGHTS
from sartor.cost.formulas.work import MICROSOFT, ONNX, Formula, Work, elements, has, merged, shape, type_of, under
from sartor.cost.graph import Operator

_SIGMOID, _TANH = WEIGHTS["Sigmoid"], WEIGHTS["Tanh"]

# Gates, and operations for each hidden number beside the products: sums of both products, activations, combination.
_CELLS = {
    "RNN": (1, 1 + _TANH),
    "GRU": (3, 3 + 2 * _SIGMOID + _TANH + 5),  # reset, and (1 - z) h~ + z h
    "LSTM": (4, 4 + 3 * _SIGMOID + 2 * _TANH + 4),  # f c + i g, and o tanh(c)
}
_PEEPHOLES = 6  # three products and sums


def _recurrent(cell: str) -> Formula:
    gates, beside = _CELLS[cell]

    def formula(operator: Operator) -> Work:
        length, batch, _ = shape(operator, 0)  # or batch first: only their product counts
        weights = elements(operator, 1) + elements(operator, 2)
        directions = shape(operator, 1)[0]
        hidden = operator.attributes.get("hidden_size") or elements(operator, 2) ** 0.5 / (gates * directions) ** 0.5
        biases = 2 * gates if has(operator, 3) else 0
        peepholes = _PEEPHOLES if cell == "LSTM" and has(operator, 7) else 0
        steps = length * batch
        products = ("int8" if operator.type == "DynamicQuantizeLSTM" else type_of(operator), 2.0 * steps * weights)
        rest = steps * directions * hidden * (beside + biases + peepholes)
        return Work(merged(products, (type_of(operator), rest)))

    return formula


TABLE = {
    **under(ONNX, {cell: _recurrent(cell) for cell in _CELLS}),
    **under(MICROSOFT, {"DynamicQuantizeLSTM": _recurrent("LSTM")}),
}
