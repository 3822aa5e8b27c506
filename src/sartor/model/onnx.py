"""ONNX files: is the file whole, what goes in and out, how many parameters."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sartor.errors import ModelError, nearest
from sartor.model.values import Dimension, Signature, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

_CHUNK = 1 << 20  # bytes hashed at a time
_LFS = b"version https://git-lfs"
_ALLOWED = "a complete ONNX file"
_FLOATS = ("float32", "float64", "float16", "bfloat16")
_WITH_WEIGHTS = {
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"),
    *("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"),
}
_INTEGER_OPERATORS = {
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"),
    *("QAttention", "QGemm", "MatMulNBits", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QMoE"),
}


def validate(path: Path) -> None:
    """Check that a file can be run: parses, is consistent, has its weights, and uses known operators.

    Raises:
        ModelError: missing, truncated or inconsistent file; missing or short external data; an operator
            that neither ONNX Runtime nor OpenVINO knows; a weight that is not finite.
    """
    model = _parse(path)
    _check_external_data(path, model)
    _check_consistent(path)
    _signature_of(path, model)
    _check_operators(path, model)
    _check_weights(path, model)


def check_finite(path: Path) -> None:
    """Check that the weights of products and norms are numbers; constants such as masks may be infinite.

    Raises:
        ModelError: no ONNX file, or a weight holds NaN or infinity.
    """
    _check_weights(path, _parse(path))


def _check_weights(path: Path, model: ModelProto) -> None:
    import numpy as np
    from onnx import numpy_helper

    read = {name for node in _nodes(model) if node.op_type in _WITH_WEIGHTS for name in node.input}
    for tensor in _constants(model):
        if tensor.name not in read or _dtype_name(tensor) not in _FLOATS:
            continue
        values = numpy_helper.to_array(tensor, str(path.parent)).astype(np.float32, copy=False)
        wrong = int(values.size - np.isfinite(values).sum())
        if wrong:
            raise ModelError(
                f"the weight `{tensor.name}` of {path} holds NaN or infinity in {wrong:,} of {values.size:,} numbers",
                "weights that are all finite",
                "export it again from a checkpoint that is sound: its training may have diverged",
            )


def read_signature(path: Path) -> Signature:
    """Inputs and outputs with numpy dtype names; symbolic dimensions keep their names.

    A file with a fixed batch says so here (an integer first dimension); it is left as it is. An unnamed
    first dimension is called `batch`.

    Raises:
        ModelError: no ONNX file, no inputs or outputs, or one that is no tensor.
    """
    return _signature_of(path, _parse(path))


def judged_output(signature: Signature, wanted: str, columns: int | None) -> int:
    """The number of the output that is judged.

    Args:
        signature: of the model.
        wanted: its name, where the Need or the model says; else empty for the first that fits.
        columns: how many it must have, one for each class; `(n,)` counts as one. None for any.

    Raises:
        ModelError: no such output, or none of that shape; lists all.
    """
    named = [number for number, spec in enumerate(signature.outputs) if spec.name == wanted]
    if wanted and not named:
        raise ModelError(
            f"no output `{wanted}`", _listed(signature), nearest(wanted, [s.name for s in signature.outputs])
        )
    floats = [number for number, spec in enumerate(signature.outputs) if spec.dtype in _FLOATS]
    among = named or floats
    fits = [number for number in among if _has_columns(signature.outputs[number], columns)]
    if columns is None:
        fits += among  # hidden states and the like can be compared whole
    if not fits:
        came = f"output `{wanted}` has another shape" if wanted else "no output has that shape"
        what = "1 column (one value a row)" if columns == 1 else f"{columns} columns" if columns else "numbers"
        raise ModelError(f"{came}: {_listed(signature)}", f"a floating output with {what}", "name it with `output:`")
    return fits[0]


def already_compressed(path: Path) -> str | None:
    """What a file's weights or operators are compressed to already, in one sentence; None for a model in f32."""
    model = _parse(path)
    operators = {node.op_type for node in _nodes(model)}
    quantized = sorted(name for name in operators if name.startswith("QLinear") or name in _INTEGER_OPERATORS)
    if quantized:
        return f"already quantized ({', '.join(quantized[:3])}): only runtimes and threads are compared"
    sizes: dict[str, int] = {}
    for tensor in _constants(model):
        if _is_weight(tensor):
            name = _dtype_name(tensor)
            sizes[name] = sizes.get(name, 0) + math.prod(tensor.dims)
    most = max(sizes, key=lambda name: sizes[name], default="float32")
    if most in ("float32", "float64"):
        return None
    return f"its weights are stored as {most} already: only runtimes and threads are compared"


def parameter_count(path: Path) -> int:
    """Numbers learnt: the elements of floating and 8-bit or 4-bit constants; shapes and axes do not count.

    Constants inside operators (`Constant` nodes with more than one element) count, since some exporters
    put weights there. So do the lists of numbers inside the operators of `ai.onnx.ml`: thresholds and leaves of
    trees, coefficients, support vectors.
    """
    model = _parse(path)
    tensors = sum(math.prod(tensor.dims) for tensor in _constants(model) if _is_weight(tensor))
    return tensors + sum(_listed_numbers(node) for node in _nodes(model) if node.domain == "ai.onnx.ml")


def content_hash(path: Path) -> str:
    """SHA-256 over the file and then its external data files, in the order of their names."""
    digest = hashlib.sha256()
    for part in (path, *sorted(external_files(path))):
        with part.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def with_outputs(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """A copy of a file whose only outputs are these tensors, in this order."""
    from onnx import ModelProto, ValueInfoProto

    copy = ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(ValueInfoProto(name=name) for name in tensors)  # the runtime infers their types
    return copy


def external_files(path: Path) -> set[Path]:
    """The files beside `path` that hold its weights; empty when all is in one file."""
    return {path.parent / location for location, _ in _external_spans(_parse(path))}


def check_present(path: Path) -> None:
    """Check that a file is there, is not empty and is no Git LFS pointer.

    Raises:
        ModelError: one of these.
    """
    if not path.is_file():
        raise ModelError(f"no file {path}", "the path of an ONNX file", "paths are relative to the Need file")
    with path.open("rb") as stream:
        head = stream.read(len(_LFS))
    if not head:
        raise ModelError(f"{path} is empty", _ALLOWED)
    if head == _LFS:
        raise ModelError(f"{path} is a Git LFS pointer, not the model", _ALLOWED, "run: git lfs pull")


def _parse(path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    check_present(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        raise ModelError(f"{path} is truncated or no ONNX file", _ALLOWED, "export or download it again") from None
    if not model.graph.node:
        raise ModelError(f"{path} holds no operators: truncated or no ONNX file", _ALLOWED)
    return model


def _external_spans(model: ModelProto) -> set[tuple[str, int]]:
    """(location, bytes the file must have at least) of every tensor stored outside the file."""
    spans = set()
    for tensor in _constants(model):
        if tensor.data_location == tensor.EXTERNAL:
            entry = {pair.key: pair.value for pair in tensor.external_data}
            end = int(entry.get("offset") or 0) + int(entry.get("length") or 0)
            spans.add((entry.get("location", ""), end))
    return spans


def _check_external_data(path: Path, model: ModelProto) -> None:
    folder = path.parent.resolve()
    for location, end in sorted(_external_spans(model)):
        part = (folder / location).resolve()
        if not part.is_relative_to(folder) or part == folder:
            raise ModelError(
                f"{path} keeps weights in `{location}`, outside its own folder",
                "external data beside the model",
            )
        if not part.is_file():
            raise ModelError(
                f"{path} keeps its weights in {location}, which is missing",
                "the model with all its external data files in one folder",
                f"copy {location} to {folder}",
            )
        if part.stat().st_size < end:
            raise ModelError(
                f"{part} has {part.stat().st_size:,} bytes, {path.name} needs {end:,}",
                "external data that is complete",
                "copy or download it again",
            )


def _check_consistent(path: Path) -> None:
    from onnx import checker, shape_inference

    try:
        checker.check_model(path, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        if "Cannot parse data from external tensors" in str(error):
            return  # axes or shapes that lie beside the file; inference reads no other file, the runtimes do
        reason = next((line for line in str(error).splitlines() if line.strip()), "unknown reason")
        raise ModelError(f"{path} is no valid ONNX model: {reason}", _ALLOWED) from None


def _check_operators(path: Path, model: ModelProto) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    known = {(schema.domain, schema.name) for schema in state.get_all_operator_schema()}
    known |= {(_domain(function.domain), function.name) for function in model.functions}
    used = {(_domain(node.domain), node.op_type) for node in _nodes(model)}
    unknown = sorted(used - known)
    if unknown and not _openvino_reads(path):
        names = ", ".join(f"{domain}::{name}" if domain else name for domain, name in unknown)
        raise ModelError(
            f"{path} uses operators that neither ONNX Runtime nor OpenVINO knows: {names}",
            "standard ONNX operators and com.microsoft ones",
            "export it without custom operators",
        )


def _openvino_reads(path: Path) -> bool:
    # OpenVINO has no list of its operators: it can only be asked to read the file.
    import openvino

    try:
        openvino.Core().read_model(path)
    except RuntimeError:
        return False
    return True


def _has_columns(spec: TensorSpec, columns: int | None) -> bool:
    if len(spec.shape) == 1:
        return columns in (None, 1)
    return len(spec.shape) == 2 and (columns is None or isinstance(spec.shape[1], str) or spec.shape[1] == columns)


def _listed(signature: Signature) -> str:
    return ", ".join(f"`{spec.name}` {spec.dtype} {list(spec.shape)}" for spec in signature.outputs)


def _signature_of(path: Path, model: ModelProto) -> Signature:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_spec(path, value) for value in model.graph.input if value.name not in weights)
    outputs = tuple(_spec(path, value) for value in model.graph.output)
    if not inputs or not outputs:
        raise ModelError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs", "at least one input and one output"
        )
    return Signature(inputs, outputs)


def _spec(path: Path, value: ValueInfoProto) -> TensorSpec:
    from onnx import TensorProto, helper

    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type == TensorProto.UNDEFINED:
        raise ModelError(f"`{value.name}` of {path} is no tensor of a known type", "tensors only")
    shape: list[Dimension] = []
    for number, dimension in enumerate(kind.shape.dim):
        unnamed = "batch" if number == 0 else f"{value.name}_{number}"
        # An integer dimension below 1 is how some exporters write "unknown".
        fixed = dimension.dim_value if dimension.dim_value > 0 else 0
        shape.append(fixed or dimension.dim_param or unnamed)
    return TensorSpec(value.name, helper.tensor_dtype_to_np_dtype(kind.elem_type).name, tuple(shape))


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _nodes(model: ModelProto) -> list[NodeProto]:
    """Every operator, those of subgraphs and local functions included."""
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    found = []
    while waiting:
        node = waiting.pop()
        found.append(node)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting.extend(graph.node)
    return found


def _constants(model: ModelProto) -> list[TensorProto]:
    """Initializers and the tensors inside operators, those of subgraphs included."""
    tensors = list(model.graph.initializer)
    for node in _nodes(model):
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                tensors.extend(graph.initializer)
            if attribute.HasField("t"):
                tensors.append(attribute.t)
    return tensors


def _dtype_name(tensor: TensorProto) -> str:
    from onnx import helper

    return str(helper.tensor_dtype_to_np_dtype(tensor.data_type).name)


def _is_weight(tensor: TensorProto) -> bool:
    import numpy as np
    from onnx import helper

    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    small = dtype.itemsize == 1 and dtype != np.bool_
    return (dtype.kind in "fV" or small) and math.prod(tensor.dims) > 0 and (bool(tensor.dims) or small)


def _listed_numbers(node: NodeProto) -> int:
    """Numbers learnt that an operator of `ai.onnx.ml` lists in its attributes; leaves of trees have no threshold."""
    count = 0
    for attribute in node.attribute:
        if attribute.name == "nodes_modes":
            count -= list(attribute.strings).count(b"LEAF")
        elif attribute.name != "nodes_hitrates":
            count += len(attribute.floats)
    return count
