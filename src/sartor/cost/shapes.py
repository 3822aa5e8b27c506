"""Element types and shapes of what one operator gives, from what it is given."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sartor.cost.contrib import contrib_types
from sartor.cost.graph import Tensor
from sartor.cost.kinds import completed, make_type, shape_of, tensor_of
from sartor.cost.older import older_types
from sartor.cost.proto import SMALL, attributes_of
from sartor.cost.values import evaluate, evaluates

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto, OperatorSetIdProto, TypeProto

_FLOATS_READ = 16  # floating values that decide a shape are few: scales of Resize, bounds of Range


@dataclass(frozen=True)
class Opsets:
    """The versions of operators that a file imports, by domain; the standard domain is empty."""

    imports: tuple[OperatorSetIdProto, ...]

    def version(self, domain: str) -> int:
        """The version of a domain; 1 where the file names none."""
        return next((each.version for each in self.imports if standard(each.domain) == domain), 1)


@dataclass
class Scope:
    """What is known of the values of one graph, those around it included.

    Attributes:
        types: by name; an entry without a shape or with unknown dimensions is one that could not be inferred.
        values: the small ones that are known before the model runs.
        weights: constants of the file, by every name they go by.
        declared: what the file itself says of its values, free dimensions set.
        failures: what inference said of operators that it refuses.
        notes: what is bounded and not known, in sentences.
        folder: where the file lies, for small tensors stored beside it.
    """

    opsets: Opsets
    types: MutableMapping[str, TypeProto]
    values: MutableMapping[str, np.ndarray]
    weights: MutableMapping[str, Tensor]
    declared: MutableMapping[str, TypeProto]
    folder: Path
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def inner(self, counted: bool = True) -> Scope:
        """The scope of a body, which sees all names around it; what fails in one that never runs is not told."""
        return replace(
            self,
            types=ChainMap({}, self.types),
            values=ChainMap({}, self.values),
            weights=ChainMap({}, self.weights),
            declared=ChainMap({}, self.declared),
            failures=self.failures if counted else [],
            notes=self.notes if counted else [],
        )

    def tensor(self, name: str) -> Tensor:
        """The value as a Tensor; an output that is left out is an empty one without a name."""
        if not name:
            return Tensor("", "undefined", (0,))
        return self.weights.get(name) or tensor_of(name, self.types.get(name))


def standard(domain: str) -> str:
    """A domain under its one name: ONNX's own is empty."""
    return "" if domain == "ai.onnx" else domain


def propagate(node: NodeProto, scope: Scope) -> None:
    """Add the types of an operator's outputs to the scope, and their values where they are small and known."""
    found = _inferred(node, scope)
    if node.op_type == "Dropout" and len(node.output) > 1:  # versions below 10 say nothing of the mask
        found = {**older_types(node, scope.types), **found}
    for name in node.output:
        if name:
            scope.types[name] = completed(found.get(name), scope.declared.get(name))
    for name, value in _values(node, scope).items():
        scope.values[name] = value
        scope.types[name] = make_type(_code(value), value.shape)


def _inferred(node: NodeProto, scope: Scope) -> dict[str, TypeProto]:
    from onnx import TypeProto, checker, defs, shape_inference

    domain = standard(node.domain)
    kinds = {name: scope.types.get(name, TypeProto()) for name in node.input if name}
    try:
        schema: Any = defs.get_schema(node.op_type, scope.opsets.version(domain), domain)
    except defs.SchemaError:
        return contrib_types(node, kinds, scope)
    if any(not kind.WhichOneof("value") for kind in kinds.values()):
        return {}  # what comes in is not known, and inference takes known types only
    if not schema.has_type_and_shape_inference_function:
        types = [kinds[name] for name in node.input if name]
        return (_from_function(node, schema, types) if schema.has_function else {}) or older_types(node, kinds)
    try:
        return shape_inference.infer_node_outputs(
            schema, node, kinds, _read(node, scope), opset_imports=list(scope.opsets.imports)
        )
    except (shape_inference.InferenceError, checker.ValidationError, RuntimeError) as error:
        scope.failures.append(f"{node.op_type} `{node.name or node.output[0]}`: {_reason(error)}")
        return {}


def _from_function(node: NodeProto, schema: Any, kinds: list[TypeProto]) -> dict[str, TypeProto]:
    """Types of an operator that ONNX defines by other operators only."""
    from onnx import FunctionProto, shape_inference

    function = schema.function_body
    try:
        found = shape_inference.infer_function_output_types(
            function if isinstance(function, FunctionProto) else FunctionProto.FromString(function),
            kinds,
            list(node.attribute),
        )
    except (shape_inference.InferenceError, RuntimeError):
        return {}
    return dict(zip(node.output, found, strict=False))


def _read(node: NodeProto, scope: Scope) -> dict[str, Any]:
    """Known inputs as tensors; most floating ones are weights that no shape depends on."""
    from onnx import numpy_helper

    read = {}
    for name in node.input:
        value = scope.values.get(name)
        if value is not None and (value.dtype.kind in "biu" or value.size <= _FLOATS_READ):
            read[name] = numpy_helper.from_array(value, name)
    return read


def _values(node: NodeProto, scope: Scope) -> Mapping[str, np.ndarray]:
    """Values of the outputs where all inputs are known and nothing grows large."""
    import numpy as np

    if standard(node.domain):
        return {}
    if node.op_type in ("Shape", "Size"):
        shape = shape_of(scope.types.get(node.input[0]))
        return {} if shape is None else {node.output[0]: _shape_value(node, shape)}
    if not evaluates(node.op_type):
        return {}
    inputs = [scope.values.get(name) if name else None for name in node.input]
    if any(name and value is None for name, value in zip(node.input, inputs, strict=True)):
        return {}
    if node.op_type != "NonZero" and any(not _is_small(scope.types.get(name)) for name in node.output):
        return {}
    found = evaluate(node.op_type, inputs, value_attributes(node), len(node.output)) or []
    kept = zip(node.output, found, strict=False)
    return {name: value for name, value in kept if value.size <= SMALL and not isinstance(value, np.ma.MaskedArray)}


def _shape_value(node: NodeProto, shape: tuple[int, ...]) -> np.ndarray:
    import numpy as np

    if node.op_type == "Size":
        return np.array(math.prod(shape), np.int64)
    attributes = attributes_of(node)
    return np.array(shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def value_attributes(node: NodeProto) -> dict[str, Any]:
    """Attributes as `evaluate` takes them: element types and tensors as numpy has them."""
    from onnx import helper, numpy_helper

    attributes = attributes_of(node)
    if "to" in attributes:
        attributes["to"] = helper.tensor_dtype_to_np_dtype(attributes["to"])
    for each in node.attribute:
        if each.HasField("t"):
            attributes[each.name] = numpy_helper.to_array(each.t)
    return attributes


def _is_small(kind: TypeProto | None) -> bool:
    shape = shape_of(kind)
    return shape is not None and math.prod(shape) <= SMALL


def _code(value: np.ndarray) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(value.dtype))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
