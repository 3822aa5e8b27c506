"""8-bit integers for ONNX Runtime, by its own quantizer.

What was found on an AMD EPYC with AVX512-VNNI, ResNet-18 at 3x64x64, 1 thread, f32 12.3 ms:
- activations u8 with zero point: 3.2 ms; s8 leaves 11 of 20 convolutions in f32 (8.5 ms), since a Relu
  is absorbed by the range of what follows, which starts at zero for u8 without loss;
- quantizing Conv, Gemm and MatMul only, so that the residual Add computes in f32 between conversions: 3.3 ms;
- one scale per tensor in place of one per channel: 3.1 ms, not worth the accuracy;
- ReduceMean rewritten as GlobalAveragePool, so that the mean is an integer too: 3.1 ms, same reason.

MiniLM-L6 with a linear head on 1,000 sentences, top-1 agreement with f32: static on all operators 81%, on products
with weights alone 87% (90% with `percentile`), signed symmetric activations 76%; dynamic, whose scales fit each call,
97%. Nearly all of what static loses is lost in the six layers behind Gelu: with those in f32 it agrees 95.5%, at half
more bytes than dynamic. Dynamic with one scale a matrix in place of one a column takes 2.01 ms in place of 2.25 (2
threads, the lengths of real sentences), so both are offered and quality decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sartor.compress.attention import fuse_attention
from sartor.compress.bias_correction import correct_biases, has_biases
from sartor.compress.equalise import equalise
from sartor.compress.layers import nodes_of, with_followers
from sartor.compress.onnx_file import (
    drop_weight_shapes,
    int8_share,
    looks_like_transformer,
    name_operators,
    operators_in_f32,
    read_whole,
    write_whole,
)
from sartor.compress.onnxruntime_ranges import find_ranges, method
from sartor.compress.quiet import quiet
from sartor.compress.values import StepResult, Work
from sartor.errors import CandidateError

if TYPE_CHECKING:
    from onnx import ModelProto

# Operators with 8-bit kernels in the CPU provider. Left out on purpose: normalisations, ConvTranspose and the
# like (f32 kernels between conversions, slower than before) and Softmax (8 bits cost accuracy, gain nothing).
_STATIC_OPERATORS = [
    *("Conv", "Gemm", "MatMul", "Add", "Mul", "Relu", "Clip", "LeakyRelu", "Sigmoid"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Split", "Pad", "Resize", "Where", "Gather"),
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice"),
]
# Convolutions are left out: ResNet-18 with ConvInteger took 0.95 of the time of f32 with u8 weights, and 3.2
# times as long with s8 weights.
_DYNAMIC_OPERATORS = ["MatMul", "Attention", "LSTM", "Gather", "EmbedLayerNormalization"]
# Below this share of the weights in 8 bits a file is neither smaller nor faster.
_WORTHWHILE_SHARE = 0.05
# Of a transformer only these, and of the products only those with weights: attention scores keep f32.
_TRANSFORMER_OPERATORS = ["MatMul", "Gemm", "Gather"]


def quantize_static(work: Work) -> StepResult:
    """Requires calibration rows. Ensures 8-bit weights and activations in Q/DQ pairs. Changes the numbers.

    `bias: corrected` makes up in the biases for what rounding shifts (`bias_correction`); `equalise: 0.7` moves that
    much of the ranges of channels into weights first (`equalise`); `activations: symmetric` gives them signed numbers
    around zero, and `scales: tensor` a weight one scale: neither is faster, both are less exact.
    """
    with TemporaryDirectory(prefix="sartor-") as scratch, quiet():
        prepared = _equalised(work, prepare(work.source.path, Path(scratch)))
        model = read_whole(prepared)
        scope = scope_of(model, work.step.keeps)
        corrected = work.step.setting("bias", "") == "corrected"
        if corrected and not has_biases(model):  # before the ranges, which take long
            raise CandidateError("unsupported", "nothing to correct: no convolution has a bias")
        place(work, prepared, scope, Path(scratch), work.folder / "model.onnx")
        if corrected:
            _correct_biases(work, model)
    _hold_in_f32(work.folder / "model.onnx", scope.kept)
    return _finish(work)


def quantize_dynamic(work: Work) -> StepResult:
    """Requires nothing. Ensures 8-bit matrices; activations are scaled in each call. Changes the numbers.

    `scales: tensor` gives a matrix one scale in place of one for each column: faster, and less exact. `equalise` as of
    `quantize_static`.
    """
    from onnxruntime import quantization

    with TemporaryDirectory(prefix="sartor-") as scratch, quiet():
        prepared = _equalised(work, prepare(work.source.path, Path(scratch)))
        quantization.quantize_dynamic(
            prepared,
            work.folder / "model.onnx",
            op_types_to_quantize=_DYNAMIC_OPERATORS,
            nodes_to_exclude=[node.name for node in nodes_of(read_whole(prepared), work.step.keeps)],
            weight_type=quantization.QuantType.QInt8,
            per_channel=_per_channel(work),
            reduce_range=not work.machine.exact_int8,
        )
    return _finish(work)


def place(
    work: Work, prepared: Path, scope: Scope, scratch: Path, to: Path, options: Mapping[str, Any] | None = None
) -> None:
    """Find ranges of activations and write the file in which weights and activations are rounded.

    Args:
        work: the step and its rows.
        prepared: what `prepare` wrote.
        scope: what of it is rounded.
        scratch: an empty folder for files of no later use.
        to: the file to write.
        options: further ones of the quantizer.
    """
    from onnxruntime import quantization

    symmetric = work.step.setting("activations", "asymmetric") == "symmetric"
    quantization.quantize_static(
        prepared,
        to,
        calibration_cache_path=find_ranges(work, prepared, scope.operators, scratch),
        calibrate_method=method(work),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=scope.operators,
        nodes_to_exclude=scope.excluded,
        activation_type=quantization.QuantType.QInt8 if symmetric else quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=_per_channel(work),
        reduce_range=not work.machine.exact_int8,
        extra_options={**({"ActivationSymmetric": True} if symmetric else {}), **(options or {})},
    )


def _per_channel(work: Work) -> bool:
    return work.step.setting("scales", "channel") == "channel"


def prepare(path: Path, scratch: Path) -> Path:
    """Fold constants and batch normalisation, infer shapes: what the quantizer asks for."""
    import onnxruntime
    from onnxruntime.quantization.shape_inference import quant_pre_process

    onnxruntime.set_default_logger_severity(3)
    model = read_whole(path)
    drop_weight_shapes(model)
    # A path, since given a model in memory the quantizer stores its weights apart and cannot read them back.
    source = write_whole(model, scratch / "source.onnx")
    prepared = scratch / "prepared.onnx"
    # Symbolic inference would need sympy; the exporters write the shapes already.
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    prepared_model = read_whole(prepared)
    drop_weight_shapes(prepared_model)
    name_operators(prepared_model)
    return write_whole(prepared_model, prepared)


@dataclass(frozen=True)
class Scope:
    """What is quantized: operators by type, without some by name, of which `kept` would have been otherwise."""

    operators: list[str]
    excluded: list[str]
    kept: list[str]


def scope_of(model: ModelProto, keeps: tuple[str, ...]) -> Scope:
    """What is quantized but for the layers in `keeps`.

    Raises:
        CandidateError: `unsupported` when no operator has ranges to collect, on which the quantizer crashes; when
            there is no such layer.
    """
    operators = _STATIC_OPERATORS
    kept = [node.name for node in with_followers(model, nodes_of(model, keeps))]
    excluded = list(kept)
    if looks_like_transformer(model):
        operators = _TRANSFORMER_OPERATORS
        weights = {tensor.name for tensor in model.graph.initializer}
        products = [node for node in model.graph.node if node.op_type == "MatMul"]
        excluded += [node.name for node in products if not weights.intersection(node.input)]
    if not any(node.op_type in operators for node in model.graph.node):
        raise CandidateError("unsupported", "nothing to quantize: no operator of this model has an 8-bit kernel")
    return Scope(operators, excluded, kept)


def _equalised(work: Work, prepared: Path) -> Path:
    """The file with `equalise` of its ranges moved into weights, where the step asks for it."""
    strength = float(work.step.setting("equalise", 0.0))
    if strength == 0.0:
        return prepared
    model = read_whole(prepared)
    transformer, static = looks_like_transformer(model), work.step.name == "int8-static"
    found = equalise(model, work.source, work.rows, strength, insert=transformer, convolutions=static)
    if found == 0:
        raise CandidateError("unsupported", "nothing to equalise: no product reads what another gives it alone")
    return write_whole(model, prepared)


def _correct_biases(work: Work, prepared: ModelProto) -> None:
    model = read_whole(work.folder / "model.onnx")
    if correct_biases(model, prepared, work.source, work.rows) == 0:
        raise CandidateError("unsupported", "nothing to correct: no operator with a bias is in 8 bits")
    write_whole(model, work.folder / "model.onnx")


def _hold_in_f32(path: Path, names: list[str]) -> None:
    """Put a LeakyRelu of slope 1, which changes nothing, behind products that were left out between integers.

    ONNX Runtime (seen in 1.32) otherwise rounds the weights of a Conv or Gemm in f32 that stands alone between two
    operators in int8, with one scale for all of them (its WeightBiasQuantization): EfficientNet-Lite0 with two layers
    left out had an error of 0.38 for 0.05. The activation is fused into the product, so that it costs nothing.
    """
    from onnx import helper

    if not names:
        return
    model = read_whole(path)
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.name in names and node.op_type in ("Conv", "Gemm") and _ends_in_integers(model, node.output[0]):
            output, inner = node.output[0], f"{node.output[0]}.f32"
            node.output[0] = inner
            nodes.append(helper.make_node("LeakyRelu", [inner], [output], name=f"{node.name}.f32", alpha=1.0))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    write_whole(model, path)


def _ends_in_integers(model: ModelProto, tensor: str) -> bool:
    """Whether a tensor is read once, by a quantizer or by activations that end in one."""
    while True:
        readers = [node for node in model.graph.node if tensor in node.input]
        if len(readers) != 1 or readers[0].op_type not in ("QuantizeLinear", "Relu", "Clip"):
            return False
        if readers[0].op_type == "QuantizeLinear":
            return True
        tensor = readers[0].output[0]


def _finish(work: Work) -> StepResult:
    main = work.folder / "model.onnx"
    model: ModelProto = read_whole(main)
    share = int8_share(model)
    # Which layers to keep is chosen by speed: few weights in 8 bits may be what the time is spent on.
    if share <= (0.0 if work.step.keeps else _WORTHWHILE_SHARE):
        detail = f"nothing to quantize: {share:.1%} of the weights belong to operators with 8-bit kernels"
        raise CandidateError("unsupported", detail)
    with quiet():
        write_whole(fuse_attention(model), main)
    notes = [f"{share:.0%} of the weights in 8 bits"]
    if left := operators_in_f32(model):
        notes.append(f"in f32 stay {left}")
    if not work.machine.exact_int8:
        notes.append("7-bit weights: this processor's 8-bit sums would saturate")
    return StepResult(main, changed=True, notes=tuple(notes))
