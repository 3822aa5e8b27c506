"""Control flow: how often the bodies of If, Loop and Scan run, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sartor.cost.graph import Body, Graph
from sartor.cost.kinds import completed, make_type, merged, shape_of
from sartor.cost.order import bodies_of, called
from sartor.cost.proto import attributes_of

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TypeProto

    from sartor.cost.shapes import Scope

Capture = Callable[["GraphProto", "Scope"], Graph]
_ENDLESS = 1 << 31  # trips; exporters write the largest integer where only the condition ends a loop


def run_bodies(node: NodeProto, scope: Scope, capture: Capture) -> tuple[Body, ...]:
    """The bodies of an operator; the types of its outputs are added to the scope.

    Args:
        capture: makes a Graph of a body in its scope, to which its inputs have been added.
    """
    special = {"If": _branches, "Loop": _loop, "Scan": _scan}.get(node.op_type)
    if special is not None:
        return special(node, scope, capture)
    return _others(node, scope, capture)


def _branches(node: NodeProto, scope: Scope, capture: Capture) -> tuple[Body, ...]:
    bodies = bodies_of(node)
    value = scope.values.get(node.input[0])
    taken = None if value is None or value.size != 1 else bool(value.ravel()[0])
    found, kinds = [], []
    for name, when in (("then_branch", True), ("else_branch", False)):
        runs = taken in (None, when)
        inner = scope.inner(counted=runs)
        found.append(Body(capture(bodies[name], inner), int(runs), bounded=taken is None))
        if runs:
            kinds.append(_given(bodies[name], inner))
    if taken is None:
        scope.notes.append(f"{called(node)}: which branch runs depends on the data; each is an upper bound")
    for name, *each in zip(node.output, *kinds, strict=False):
        _set(scope, name, each[0] if len(each) == 1 else merged(*each))
    return tuple(found)


def _loop(node: NodeProto, scope: Scope, capture: Capture) -> tuple[Body, ...]:
    from onnx import TensorProto, TypeProto

    body = bodies_of(node)["body"]
    trips, bounded = _trips(node, body, scope)
    if trips is None:
        scope.notes.append(f"{called(node)} runs until the data say stop: counted once, which is no upper bound")
    elif bounded:
        scope.notes.append(f"{called(node)} may stop before its {trips} trips: counted as {trips}")
    states = [scope.types.get(name, TypeProto()) for name in node.input[2:]]
    scalars = [make_type(TensorProto.INT64, ()), make_type(TensorProto.BOOL, ())]
    graph, kinds = _settled(body, scalars, states, [], scope, capture)
    carried, stacked = kinds[1 : 1 + len(states)], kinds[1 + len(states) :]
    exact = None if bounded else trips
    for name, kind in zip(node.output, [*carried, *(_stacked(kind, exact, 0) for kind in stacked)], strict=False):
        _set(scope, name, kind)
    return (Body(graph, 1 if trips is None else trips, bounded),)


def _trips(node: NodeProto, body: GraphProto, scope: Scope) -> tuple[int | None, bool]:
    """How often a Loop runs, None where only the data know, and whether it may stop earlier."""
    limit, condition = (scope.values.get(name) if name else None for name in (*node.input[:2], "", "")[:2])
    if condition is not None and not condition.ravel()[0]:
        return 0, False
    trips = None if limit is None else max(int(limit.ravel()[0]), 0)
    if trips is None or trips >= _ENDLESS:
        return None, True
    always = condition is not None or not node.input[1:] or not node.input[1]
    return trips, not (always and _never_stops(body))


def _never_stops(body: GraphProto) -> bool:
    """Whether the condition that a body gives is the one it got, or a constant."""
    giver = {name: node for node in body.node for name in node.output}
    name = body.output[0].name
    while name in giver and giver[name].op_type in ("Identity", "Cast"):
        name = giver[name].input[0]
    if name in giver and giver[name].op_type == "Constant":
        return _is_true(giver[name])
    return len(body.input) > 1 and name == body.input[1].name


def _is_true(node: NodeProto) -> bool:
    from onnx import numpy_helper

    return any(each.HasField("t") and bool(numpy_helper.to_array(each.t).ravel().all()) for each in node.attribute)


def _scan(node: NodeProto, scope: Scope, capture: Capture) -> tuple[Body, ...]:
    from onnx import TypeProto

    body, attributes = bodies_of(node)["body"], attributes_of(node)
    # Version 8 has an optional list of lengths first and a batch dimension before the scanned one.
    old = scope.opsets.version("") < 9
    kinds = [scope.types.get(name, TypeProto()) for name in (node.input[1:] if old else node.input)]
    count = attributes["num_scan_inputs"]
    states, scanned = kinds[: len(kinds) - count], kinds[len(kinds) - count :]
    axes = [1] * count if old else list(attributes.get("scan_input_axes") or [0] * count)
    shapes = [shape_of(kind) for kind in scanned]
    lengths = {shape[axis] for shape, axis in zip(shapes, axes, strict=True) if shape}
    trips = lengths.pop() if len(lengths) == 1 and None not in shapes else None
    batch = shapes[0][0] if old and shapes and shapes[0] else 1
    if trips is None:
        scope.notes.append(f"{called(node)} runs over a length that is not known: counted once")
    parts = [_without(kind, {0, axis} if old else {axis}) for kind, axis in zip(scanned, axes, strict=True)]
    starts = [_without(kind, {0}) for kind in states] if old else states
    graph, found = _settled(body, [], starts, parts, scope, capture)
    given = [*found[: len(states)]]
    outputs = found[len(states) :]
    out_axes = attributes.get("scan_output_axes") or [0] * len(outputs)
    given += [_stacked(kind, trips, axis) for kind, axis in zip(outputs, out_axes, strict=True)]
    for name, kind in zip(node.output, given, strict=False):
        _set(scope, name, _stacked(kind, batch, 0) if old else kind)
    return (Body(graph, 1 if trips is None else trips * batch, bounded=trips is None),)


def _settled(
    body: GraphProto,
    before: Sequence[TypeProto],
    states: Sequence[TypeProto],
    after: Sequence[TypeProto],
    scope: Scope,
    capture: Capture,
) -> tuple[Graph, list[TypeProto]]:
    """A loop's body with states whose types hold for every trip: dimensions that change are unknown."""
    kinds = list(states)
    while True:
        inner = scope.inner()
        graph = _entered(body, [*before, *kinds, *after], inner, capture)
        given = _given(body, inner)
        first = 1 if before else 0  # a Loop's body gives its condition first
        following = [merged(ours, theirs) for ours, theirs in zip(kinds, given[first:], strict=False)]
        if following == kinds or len(following) < len(kinds):
            return graph, given
        kinds = following


def _others(node: NodeProto, scope: Scope, capture: Capture) -> tuple[Body, ...]:
    """Operators that ONNX may still invent, and SequenceMap: their bodies run an unknown number of times."""
    found = []
    for body in bodies_of(node).values():
        inner = scope.inner()
        given = [_element(scope.types.get(name)) for name in node.input]
        graph = _entered(body, [*given, *(value.type for value in body.input[len(given) :])], inner, capture)
        found.append(Body(graph, 1, bounded=True))
    scope.notes.append(f"{called(node)}: how often its body runs depends on the data; counted once")
    return tuple(found)


def _element(kind: TypeProto | None) -> TypeProto:
    from onnx import TypeProto

    if kind is None:
        return TypeProto()
    return kind.sequence_type.elem_type if kind.HasField("sequence_type") else kind


def _entered(body: GraphProto, kinds: Sequence[TypeProto], inner: Scope, capture: Capture) -> Graph:
    for value, kind in zip(body.input, kinds, strict=False):
        inner.types[value.name] = completed(kind, None if kind.WhichOneof("value") else value.type)
    return capture(body, inner)


def _given(body: GraphProto, inner: Scope) -> list[TypeProto]:
    from onnx import TypeProto

    return [inner.types.get(value.name, TypeProto()) for value in body.output]


def _stacked(kind: TypeProto, length: int | None, axis: int) -> TypeProto:
    """The type of one trip's output with a dimension for the trips."""
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return kind
    sizes = [each.dim_value if each.HasField("dim_value") else None for each in kind.tensor_type.shape.dim]
    sizes.insert(axis if axis >= 0 else len(sizes) + 1 + axis, length)
    return make_type(kind.tensor_type.elem_type, sizes)


def _without(kind: TypeProto, axes: set[int]) -> TypeProto:
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return kind
    sizes = [each.dim_value if each.HasField("dim_value") else None for each in kind.tensor_type.shape.dim]
    dropped = {axis % len(sizes) for axis in axes if sizes}
    return make_type(kind.tensor_type.elem_type, [size for axis, size in enumerate(sizes) if axis not in dropped])


def _set(scope: Scope, name: str, kind: TypeProto) -> None:
    if name:
        scope.types[name] = completed(kind, scope.declared.get(name))
