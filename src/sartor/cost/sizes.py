"""Free dimensions: which a file has, and what they are set to."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sartor.errors import InputError, ModelError, nearest
from sartor.model.values import Dimension

if TYPE_CHECKING:
    from onnx import GraphProto, TypeProto, ValueInfoProto

Shapes = dict[str, tuple[Dimension, ...] | None]
_ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def given_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that the caller gives; files before IR version 4 list their weights among the inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in weights]


def input_shapes(graph: GraphProto) -> Shapes:
    """Shape of every input that is a tensor; names stand for free dimensions, None for a shape the file leaves out.

    Unnamed dimensions are called as `read_signature` calls them: `batch` the first, `input_2` the third of `input`.
    """
    shapes: Shapes = {}
    for value in given_inputs(graph):
        if value.type.HasField("tensor_type"):
            tensor = value.type.tensor_type
            shapes[value.name] = _dimensions(value) if tensor.HasField("shape") else None
    return shapes


def bind(shapes: Shapes, sizes: Mapping[str, int], given: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The size of every free dimension.

    Args:
        shapes: of the inputs, as the file has them.
        sizes: sizes by name of dimension; `batch` also stands for first dimensions of another name.
        given: whole shapes by name of input.

    Raises:
        InputError: an unknown name, a size below 0, a shape that contradicts the file, two sizes for one name, or
            a dimension that is left free.
    """
    _check_names(shapes, sizes, given)
    bound = {name: size for name, size in sizes.items() if name in _names(shapes)}
    for name, shape in given.items():
        _bind_shape(name, shapes[name], shape, bound)
    for name in _batch_names(shapes):
        bound.setdefault(name, sizes.get("batch", 1))
    open_ones = [name for name, shape in shapes.items() if name not in given and _fixed(shape, bound) is None]
    if open_ones:
        listed = ", ".join(f"`{name}` {_written(shapes[name])}" for name in open_ones)
        raise InputError(f"free dimensions: {listed}", "a size for each dimension", _asked(open_ones[0], shapes))
    return bound


def bound_type(kind: TypeProto, bound: Mapping[str, int]) -> TypeProto:
    """The type with its named dimensions set; those of other names stay unknown."""
    from onnx import TypeProto

    if not kind.HasField("tensor_type"):
        return kind
    out = TypeProto()
    out.tensor_type.elem_type = kind.tensor_type.elem_type
    if kind.tensor_type.HasField("shape"):
        out.tensor_type.shape.SetInParent()
        for dimension in kind.tensor_type.shape.dim:
            size = dimension.dim_value if dimension.HasField("dim_value") else _value_of(dimension.dim_param, bound)
            added = out.tensor_type.shape.dim.add()
            if size is not None and size >= 0:
                added.dim_value = size
    return out


def fixed_shape(
    name: str, shapes: Shapes, given: Mapping[str, tuple[int, ...]], bound: Mapping[str, int]
) -> tuple[int, ...] | None:
    """The shape of an input once everything is bound; None for an input that is no tensor."""
    return given[name] if name in given else _fixed(shapes.get(name), bound)


def _dimensions(value: ValueInfoProto) -> tuple[Dimension, ...]:
    shape: list[Dimension] = []
    for number, dimension in enumerate(value.type.tensor_type.shape.dim):
        unnamed = "batch" if number == 0 else f"{value.name}_{number}"
        # Zero is a size; below it lies what some exporters write for "unknown".
        known = dimension.HasField("dim_value") and dimension.dim_value >= 0
        shape.append(dimension.dim_value if known else dimension.dim_param or unnamed)
    return tuple(shape)


def _names(shapes: Shapes) -> list[str]:
    """Names of free dimensions, those inside sums included, each once."""
    found = [size for shape in shapes.values() for size in shape or () if isinstance(size, str)]
    return list(dict.fromkeys(name for size in found for name in _parts(size)))


def _parts(size: str) -> list[str]:
    """The names in a sum or product; a text that holds none is a name itself."""
    tree = _tree(size)
    names = [] if tree is None else [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return names if isinstance(tree, ast.BinOp) and names else [size]


def _batch_names(shapes: Shapes) -> list[str]:
    """First dimensions that stand nowhere else: a name that is also a later dimension is a length."""
    later = {size for shape in shapes.values() for size in (shape or ())[1:]}
    first = [shape[0] for shape in shapes.values() if shape]
    return [name for name in first if isinstance(name, str) and name not in later]


def _check_names(shapes: Shapes, sizes: Mapping[str, int], given: Mapping[str, tuple[int, ...]]) -> None:
    names = [*_names(shapes), *(["batch"] if _batch_names(shapes) else [])]
    for name in sizes:
        if name not in names:
            known = ", ".join(f"`{each}`" for each in dict.fromkeys(names))
            raise InputError(f"no free dimension `{name}`", known or "none: every size is fixed", nearest(name, names))
    for name in given:
        if name not in shapes:
            raise ModelError(f"no input `{name}`", _listed(shapes), nearest(name, shapes))
    for name, size in [*sizes.items(), *((name, size) for name, shape in given.items() for size in shape)]:
        if size < 0:
            raise InputError(f"the size {size} of `{name}`", "0 or more")


def _bind_shape(name: str, shape: tuple[Dimension, ...] | None, given: tuple[int, ...], bound: dict[str, int]) -> None:
    """Set the names in one input's shape, checking what is set already."""
    if shape is None:
        return
    allowed = f"`{name}` {_written(shape)} as the file has it"
    if len(shape) != len(given):
        raise InputError(f"{len(given)} dimensions for `{name}`: {_written(given)}", allowed)
    for size, wanted in zip(shape, given, strict=True):
        if isinstance(size, int):
            # A zero is a size, or an old exporter's "unknown": who gives a shape knows which.
            if size not in (0, wanted):
                raise InputError(f"`{name}` {_written(given)}", allowed, f"dimension {size} is fixed in the file")
        elif bound.setdefault(size, wanted) != wanted:
            raise InputError(f"`{size}` is {bound[size]} and, in `{name}` {_written(given)}, {wanted}", "one size")


def _fixed(shape: Iterable[Dimension] | None, bound: Mapping[str, int]) -> tuple[int, ...] | None:
    if shape is None:
        return None
    known = [size if isinstance(size, int) else _value_of(size, bound) for size in shape]
    return None if None in known else tuple(size for size in known if size is not None)


def _value_of(size: str, bound: Mapping[str, int]) -> int | None:
    """What a name, or a sum or product of names and numbers, comes to."""
    if size in bound:
        return bound[size]
    tree = _tree(size)
    return None if tree is None else _evaluated(tree, bound)


def _tree(size: str) -> ast.expr | None:
    try:
        return ast.parse(size.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _evaluated(tree: ast.expr, bound: Mapping[str, int]) -> int | None:
    if isinstance(tree, ast.Constant) and type(tree.value) is int:
        return tree.value
    if isinstance(tree, ast.Name):
        return bound.get(tree.id)
    if isinstance(tree, ast.BinOp) and type(tree.op) in _ARITHMETIC:
        left, right = _evaluated(tree.left, bound), _evaluated(tree.right, bound)
        if left is None or right is None or (right == 0 and isinstance(tree.op, ast.FloorDiv)):
            return None
        return _ARITHMETIC[type(tree.op)](left, right)
    return None


def _asked(name: str, shapes: Shapes) -> str:
    shape = shapes[name]
    example = "x".join(str(size) if isinstance(size, int) else "8" for size in shape) if shape else "1x3x224x224"
    return f"give the whole shape: --input {name}={example}"


def _written(shape: Iterable[Dimension] | None) -> str:
    return "of unknown rank" if shape is None else f"[{', '.join(map(str, shape))}]"


def _listed(shapes: Shapes) -> str:
    return ", ".join(f"`{name}` {_written(shape)}" for name, shape in shapes.items()) or "no inputs"
