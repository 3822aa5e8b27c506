"""The layer of each operator: from its name, else from its weights' names, else from the operator before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sartor.cost.graph import Operator

_GENERATED = re.compile(r"onnx::|val_|_?\d")  # how the names begin that exporters make up

Layer = tuple[str, ...]


def layers(operators: Sequence[Operator]) -> tuple[Layer, ...]:
    """The path of each operator's layer, outermost first.

    Names are paths where they hold `/` (PyTorch's tracing exporter, TensorFlow, Caffe2); weights keep the names that
    the framework gave them, `encoder.layer.0.weight`. An operator whose weight an exporter laid out anew, and so
    renamed, belongs with the operator that reads it: a product with the addition of its bias. One with neither, such
    as an activation, is put with the operator before it, so shares of layers are approximate where a file names its
    weights only.
    """
    firsts = _first_readers(operators)
    own = [
        _slashed(operator.name) or _of_weights(operator, number, firsts) or _of_output(operator)
        for number, operator in enumerate(operators)
    ]
    readers = _readers(operators, own)
    found: list[Layer] = []
    for operator, path in zip(operators, own, strict=True):
        read = readers.get(operator.outputs[0].name) if operator.weights and operator.outputs else None
        found.append(path or read or (found[-1] if found else ()))
    shared = _shared([path for path in found if path])
    return tuple(path[shared:] for path in found)


def _shared(paths: Sequence[Layer]) -> int:
    """How many names all begin with, of the model that a wrapper holds; at least one name is left to each."""
    most = min(map(len, paths), default=1) - 1
    return next((n for n in range(most) if len({path[n] for path in paths}) > 1), most)


def _readers(operators: Sequence[Operator], own: Sequence[Layer]) -> dict[str, Layer]:
    """The layer of the first operator that reads a tensor and has one of its own."""
    readers: dict[str, Layer] = {}
    for operator, path in zip(operators, own, strict=True):
        for tensor in operator.inputs:
            if path and tensor is not None:
                readers.setdefault(tensor.name, path)
    return readers


def _slashed(name: str) -> Layer:
    parts = [part for part in name.split("/") if part]
    return tuple(parts[:-1]) if len(parts) > 1 else ()


def _first_readers(operators: Sequence[Operator]) -> dict[str, int]:
    """The number of the operator that reads each weight first: exporters merge equal weights under the first name."""
    firsts: dict[str, int] = {}
    for number, operator in enumerate(operators):
        for name in _weight_names(operator):
            firsts.setdefault(name, number)
    return firsts


def _weight_names(operator: Operator) -> list[str]:
    return [tensor.name for position in sorted(operator.weights) if (tensor := operator.inputs[position])]


def _of_weights(operator: Operator, number: int, firsts: Mapping[str, int]) -> Layer:
    """The common path of the weights that are its own; of the first where they have nothing in common."""
    names = [name for name in _weight_names(operator) if firsts[name] == number]
    paths = [path for name in names if (path := _slashed(name) or _dotted(name))]
    if not paths:
        return ()
    common = next((n for n, names in enumerate(zip(*paths, strict=False)) if len(set(names)) > 1), None)
    return paths[0][:common] or paths[0]


def _of_output(operator: Operator) -> Layer:
    return _slashed(operator.outputs[0].name) if operator.outputs else ()


def _dotted(name: str) -> Layer:
    return () if _GENERATED.match(name) else tuple(name.split(".")[:-1])
