"""From an ONNX file to a Graph: every operator with the shapes and element types it meets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sartor.cost.control import run_bodies
from sartor.cost.copies import transposed_copies
from sartor.cost.graph import Graph, Operator, Tensor
from sartor.cost.kinds import make_type, tensor_of
from sartor.cost.order import bodies_of, in_order
from sartor.cost.proto import attributes_of, read_slim, small_value
from sartor.cost.shapes import Opsets, Scope, propagate, standard
from sartor.cost.sizes import bind, bound_type, fixed_shape, given_inputs, input_shapes
from sartor.errors import ModelError, nearest
from sartor.model.values import Dimension

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto

_LISTED = 8  # kinds of operators that a note names


def capture(
    model: Path, sizes: Mapping[str, int] | None = None, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Graph:
    """The operators of an ONNX file in the order they run, for inputs of one size.

    Weights stay in the file. Shapes come from ONNX's own inference, operator by operator, with the values that
    exporters compute shapes from; where it knows none, from rules for ONNX Runtime's operators and then from what
    the file declares. What stays unknown has shape None and is told in `notes`. Constants and copies of constants
    (`Constant`, `Identity` of a weight) are weights, not operators.

    Args:
        model: the file.
        sizes: free dimensions by name, such as `{"batch": 1, "length": 128}`. The batch is 1 unless said.
        shapes: whole shapes by name of input.

    Raises:
        ModelError: no ONNX file or a truncated one, a cycle, a name that nothing gives.
        InputError: an unknown or contradictory size, or a free dimension that is not set.
    """
    given = dict(shapes or {})
    proto = _inlined(read_slim(model))
    free = input_shapes(proto.graph)
    bound = bind(free, sizes or {}, given)
    scope = Scope(Opsets(tuple(proto.opset_import)), {}, {}, {}, {}, model.parent)
    for value in given_inputs(proto.graph):
        shape = fixed_shape(value.name, free, given, bound)
        code = value.type.tensor_type.elem_type
        scope.types[value.name] = value.type if shape is None else make_type(code, shape)
    reader = _Reader(model.name, bound)
    graph = reader.graph(proto.graph, scope)
    inputs = tuple(scope.tensor(value.name) for value in given_inputs(proto.graph))
    notes = tuple(dict.fromkeys([*scope.notes, *_unknown(graph), *_refused(scope.failures)]))
    copies = transposed_copies(proto.graph, model.parent)
    return Graph(model.stem, inputs, graph.outputs, graph.operators, graph.weights, bound, notes, copies)


def free_sizes(model: Path) -> dict[str, tuple[Dimension, ...] | None]:
    """Shapes of the inputs that have free dimensions, names standing for these; None for one of unknown rank.

    Raises:
        ModelError: no ONNX file or a truncated one.
    """
    shapes = input_shapes(read_slim(model).graph)
    return {
        name: shape for name, shape in shapes.items() if shape is None or any(isinstance(size, str) for size in shape)
    }


class _Reader:
    """Makes Graphs of a file's graph and of the bodies in it."""

    def __init__(self, file: str, bound: Mapping[str, int]) -> None:
        self.file = file
        self.bound = bound

    def graph(self, proto: GraphProto, scope: Scope) -> Graph:
        """A graph whose inputs are in the scope already; its own values are added to it."""
        for value in (*proto.value_info, *proto.output):
            scope.declared[value.name] = bound_type(value.type, self.bound)
        weights = list(_initializers(proto, scope))
        operators = []
        for node in in_order(proto.node, scope.types, self.file):
            if node.op_type == "Constant" and not standard(node.domain):
                weights += _constant(node, scope)
            elif node.op_type == "Identity" and node.input[0] in scope.weights:
                _renamed(node, scope)
            else:
                operators.append(self.operator(node, scope))
        inputs = tuple(scope.tensor(value.name) for value in proto.input)
        outputs = tuple(self.output(value.name, scope) for value in proto.output)
        return Graph(proto.name, inputs, outputs, tuple(operators), tuple(weights))

    def operator(self, node: NodeProto, scope: Scope) -> Operator:
        """One operator; the types of its outputs are added to the scope."""
        from onnx import TypeProto

        bodies = run_bodies(node, scope, self.graph) if bodies_of(node) else ()
        if not bodies or node.op_type not in ("If", "Loop", "Scan"):
            propagate(node, scope)
        for name in node.output:
            scope.types.setdefault(name, TypeProto())
        return Operator(
            node.name or next(iter(node.output), ""),
            node.op_type,
            standard(node.domain),
            tuple(scope.tensor(name) if name else None for name in node.input),
            tuple(scope.tensor(name) for name in node.output),
            frozenset(number for number, name in enumerate(node.input) if name in scope.weights),
            attributes_of(node),
            bodies,
        )

    def output(self, name: str, scope: Scope) -> Tensor:
        """An output of the graph, which something must give."""
        if name not in scope.types:
            raise ModelError(
                f"the output `{name}` of {self.file} is given by nothing",
                "outputs of operators, inputs and weights",
                nearest(name, scope.types),
            )
        return scope.tensor(name)


def _inlined(proto: ModelProto) -> ModelProto:
    """The model with calls of its own functions replaced by what these hold."""
    from onnx import inliner

    return inliner.inline_local_functions(proto) if proto.functions else proto


def _initializers(proto: GraphProto, scope: Scope) -> Iterator[Tensor]:
    """The graph's weights, each added to the scope."""
    for tensor in proto.initializer:
        value = small_value(tensor, scope.folder)
        yield _weight(tensor.name, tensor.data_type, tensor.dims, value, scope)
    for sparse in proto.sparse_initializer:
        yield _weight(sparse.values.name, sparse.values.data_type, sparse.dims, None, scope)


def _weight(name: str, code: int, shape: Iterable[int], value: np.ndarray | None, scope: Scope) -> Tensor:
    scope.types[name] = make_type(code, shape)
    scope.weights[name] = tensor = tensor_of(name, scope.types[name])
    if value is not None:
        scope.values[name] = value
    return tensor


def _constant(node: NodeProto, scope: Scope) -> list[Tensor]:
    """The weight that a `Constant` holds; none where it is broken."""
    import numpy as np
    from onnx import TensorProto, helper

    attribute = next(iter(node.attribute), None)
    if attribute is None or not node.output:
        return []
    name = node.output[0]
    if attribute.HasField("t"):
        value = small_value(attribute.t, scope.folder)
        return [_weight(name, attribute.t.data_type, attribute.t.dims, value, scope)]
    if attribute.HasField("sparse_tensor"):
        sparse = attribute.sparse_tensor
        return [_weight(name, sparse.values.data_type, sparse.dims, None, scope)]
    listed = helper.get_attribute_value(attribute)
    if attribute.name.startswith("value_string"):
        shape = (len(listed),) if isinstance(listed, list) else ()
        return [_weight(name, TensorProto.STRING, shape, None, scope)]
    value = np.array(listed, np.int64 if attribute.name.startswith("value_int") else np.float32)
    code = helper.np_dtype_to_tensor_dtype(value.dtype)
    return [_weight(name, int(code), value.shape, value, scope)]


def _renamed(node: NodeProto, scope: Scope) -> None:
    """Give a weight a second name."""
    old, new = node.input[0], node.output[0]
    scope.types[new], scope.weights[new] = scope.types[old], scope.weights[old]
    if old in scope.values:
        scope.values[new] = scope.values[old]


def _unknown(graph: Graph) -> list[str]:
    """One sentence on the operators whose output has no known shape."""
    counts = Counter(
        operator.type
        for operator, times in graph.walk()
        if times and any(tensor.shape is None for tensor in operator.outputs)
    )
    if not counts:
        return []
    listed = ", ".join(f"{name} ({count})" for name, count in counts.most_common(_LISTED))
    more = f" and {len(counts) - _LISTED} more kinds" if len(counts) > _LISTED else ""
    return [f"shapes not known: what {counts.total()} of the operators give, {listed}{more}"]


def _refused(failures: list[str]) -> list[str]:
    """One sentence on the operators that cannot take what they are given."""
    if not failures:
        return []
    return [f"operators that do not fit what they are given: {len(failures)}, first {failures[0]}"]
