"""Small values that are known before a model runs: the arithmetic of shapes, evaluated with numpy.

Exporters write `x.reshape(batch, -1, x.shape[2] // 2)` as a dozen operators on small integers. With every input
shape fixed these have one value each, and shape inference needs it. Semantics: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Value = np.ndarray[Any, Any]
Attributes = Mapping[str, Any]
_Rule = Callable[[Sequence[Any], Attributes], Any]  # one value or a list of them


def evaluate(op_type: str, inputs: Sequence[Value | None], attributes: Attributes, outputs: int) -> list[Value] | None:
    """The outputs of an operator whose inputs are all known; None where this table does not know it.

    Args:
        op_type: an operator of the standard domain.
        inputs: None for optional ones that are left out.
        attributes: plain values; `value` of ConstantOfShape and `to` of Cast as numpy arrays and dtypes.
        outputs: how many there are (Split of old versions says it nowhere else).
    """
    rule = _RULES.get(op_type)
    if rule is None:
        return None
    try:
        with np.errstate(all="ignore"):
            found = rule(inputs, {**attributes, "outputs": outputs})
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError, KeyError):
        return None  # an operator that fails here fails in every runtime; its shape stays unknown
    return [np.asarray(value) for value in (found if isinstance(found, list) else [found])]


def evaluates(op_type: str) -> bool:
    """Whether `evaluate` has a rule for it."""
    return op_type in _RULES


def _axes(inputs: Sequence[Any], attributes: Attributes, position: int = 1) -> tuple[int, ...] | None:
    """The axes, which older versions have as an attribute and newer ones as an input; None for all."""
    if len(inputs) > position and inputs[position] is not None:
        return tuple(int(axis) for axis in np.ravel(inputs[position])) or None
    return tuple(attributes["axes"]) if "axes" in attributes else None


def _elementwise(function: Callable[..., Any]) -> _Rule:
    """A function of numpy that keeps the element type of ONNX, which has no promotion."""

    def rule(inputs: Sequence[Any], _: Attributes) -> Value:
        found = np.asarray(function(*inputs))
        return found if found.dtype == np.bool_ else found.astype(inputs[0].dtype)

    return rule


def _reduction(function: Callable[..., Any]) -> _Rule:
    def rule(inputs: Sequence[Any], attributes: Attributes) -> Value:
        axes = _axes(inputs, attributes)
        if axes is None and attributes.get("noop_with_empty_axes"):
            return np.asarray(inputs[0])
        keep = bool(attributes.get("keepdims", 1))
        return np.asarray(function(inputs[0], axis=axes, keepdims=keep)).astype(inputs[0].dtype)

    return rule


def _folded(function: Callable[[Any, Any], Any]) -> _Rule:
    """Min, Max, Sum: any number of inputs."""

    def rule(inputs: Sequence[Any], _: Attributes) -> Value:
        out = inputs[0]
        for each in inputs[1:]:
            out = function(out, each)
        return np.asarray(out)

    return rule


def _divided(left: Value, right: Value) -> Value:
    # Integers are divided towards zero (ONNX follows C), numpy's `//` goes down.
    return np.trunc(left / right) if left.dtype.kind in "iu" else left / right


def _remainder(inputs: Sequence[Any], attributes: Attributes) -> Value:
    function = np.fmod if attributes.get("fmod") else np.mod
    return np.asarray(function(inputs[0], inputs[1])).astype(inputs[0].dtype)


def _slice(inputs: Sequence[Any], attributes: Attributes) -> Value:
    data, *rest = inputs
    given = [*(None if each is None else np.ravel(each).tolist() for each in rest), None, None, None, None]
    starts = attributes.get("starts") or given[0] or []
    ends = attributes.get("ends") or given[1] or []
    axes = attributes.get("axes") or given[2] or range(len(starts))
    steps = given[3] or [1] * len(starts)
    parts = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # A negative step that ends below -length runs to the first element, which numpy writes as None.
        parts[axis] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    return np.asarray(data[tuple(parts)])


def _unsqueeze(inputs: Sequence[Any], attributes: Attributes) -> Value:
    return np.expand_dims(inputs[0], _axes(inputs, attributes) or ())


def _squeeze(inputs: Sequence[Any], attributes: Attributes) -> Value:
    return np.asarray(np.squeeze(inputs[0], _axes(inputs, attributes)))


def _reshape(inputs: Sequence[Any], attributes: Attributes) -> Value:
    data, wanted = inputs[0], np.ravel(inputs[1] if len(inputs) > 1 else attributes["shape"]).tolist()
    if not attributes.get("allowzero"):
        wanted = [data.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    return np.reshape(data, wanted)


def _split(inputs: Sequence[Any], attributes: Attributes) -> list[Value]:
    axis, length = attributes.get("axis", 0), inputs[0].shape[attributes.get("axis", 0)]
    sizes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("split")
    if sizes is None:
        parts = attributes.get("num_outputs", attributes["outputs"])
        each = -(-length // parts)
        sizes = [each] * (parts - 1) + [length - each * (parts - 1)]
    return list(np.split(inputs[0], np.cumsum(sizes)[:-1], axis))


def _range(inputs: Sequence[Any], _: Attributes) -> Value:
    start, limit, step = (np.ravel(each)[0] for each in inputs)
    return np.arange(start, limit, step, dtype=inputs[0].dtype)


def _gather(inputs: Sequence[Any], attributes: Attributes) -> Value:
    return np.asarray(np.take(inputs[0], inputs[1].astype(np.int64), axis=attributes.get("axis", 0)))


def _scatter(inputs: Sequence[Any], attributes: Attributes) -> Value:
    if attributes.get("reduction", "none") != "none":
        raise ValueError
    out = np.array(inputs[0])
    out[tuple(np.moveaxis(inputs[1], -1, 0))] = inputs[2]
    return out


def _cumulated(inputs: Sequence[Any], attributes: Attributes) -> Value:
    if attributes.get("exclusive") or attributes.get("reverse"):
        raise ValueError
    return np.cumsum(inputs[0], int(np.ravel(inputs[1])[0]), dtype=inputs[0].dtype)


def _filled(inputs: Sequence[Any], attributes: Attributes) -> Value:
    value = attributes.get("value", np.zeros(1, np.float32))
    return np.full(np.ravel(inputs[0]).tolist(), np.ravel(value)[0], value.dtype)


def _flattened(inputs: Sequence[Any], attributes: Attributes) -> Value:
    axis = attributes.get("axis", 1)
    rows = math.prod(inputs[0].shape[:axis])
    return np.reshape(inputs[0], (rows, inputs[0].size // rows if rows else 0))


_RULES: dict[str, _Rule] = {
    "Identity": lambda inputs, _: inputs[0],
    "Cast": lambda inputs, attributes: inputs[0].astype(attributes["to"]),
    "CastLike": lambda inputs, _: inputs[0].astype(inputs[1].dtype),
    "Concat": lambda inputs, attributes: np.concatenate(list(inputs), attributes.get("axis", 1)),
    "Gather": _gather,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Flatten": _flattened,
    "Expand": lambda inputs, _: np.array(inputs[0] * np.ones(inputs[1].tolist(), inputs[0].dtype)),
    "Transpose": lambda inputs, attributes: np.transpose(inputs[0], attributes.get("perm")),
    "Tile": lambda inputs, _: np.tile(inputs[0], inputs[1].tolist()),
    "Split": _split,
    "Range": _range,
    "ConstantOfShape": _filled,
    "NonZero": lambda inputs, _: np.array(np.nonzero(np.atleast_1d(inputs[0])), np.int64),
    "ScatterND": _scatter,
    "CumSum": _cumulated,
    "Where": lambda inputs, _: np.where(inputs[0], inputs[1], inputs[2]),
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divided),
    "Pow": _elementwise(np.power),
    "Mod": _remainder,
    "Min": _folded(np.minimum),
    "Max": _folded(np.maximum),
    "Sum": _folded(np.add),
    "Neg": _elementwise(np.negative),
    "Abs": _elementwise(np.abs),
    "Sign": _elementwise(np.sign),
    "Floor": _elementwise(np.floor),
    "Ceil": _elementwise(np.ceil),
    "Round": _elementwise(np.rint),
    "Sqrt": _elementwise(np.sqrt),
    "Equal": _elementwise(np.equal),
    "Less": _elementwise(np.less),
    "LessOrEqual": _elementwise(np.less_equal),
    "Greater": _elementwise(np.greater),
    "GreaterOrEqual": _elementwise(np.greater_equal),
    "And": _elementwise(np.logical_and),
    "Or": _elementwise(np.logical_or),
    "Not": _elementwise(np.logical_not),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "ReduceMin": _reduction(np.min),
    "ReduceMax": _reduction(np.max),
}
