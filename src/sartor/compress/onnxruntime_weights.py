"""Weights alone in 8 or 4 bits for ONNX Runtime; activations and sums stay f32, so nothing depends on the processor.

MiniLM-L6 with a linear head on 400 sentences, AMD EPYC with AVX2 alone, 1 thread; f32 takes 19.0 ms in 90.8 MB. `error`
is the mean squared change of the answers as a share of their variance:

| weights | ms | MB | answers kept | error |
|---|---|---|---|---|
| int8, widened while loading | 18.4 | 23.4 | 99.0% | 0.0007 |
| int8, MatMulNBits in blocks of 128 | 71 | 59.2 | 100% | 0.0004 |
| the same, activations in 8 bits too (`accuracy_level` 4) | 29 | 59.2 | 98.0% | 0.0019 |
| int4 in blocks of 32, with zero point | 24 | 55.0 | 94.5% | 0.032 |
| int4 in blocks of 64, with zero point | 32 | 54.3 | 95.0% | 0.028 |
| int4 in blocks of 128, with zero point | 32 | 53.9 | 91.3% | 0.084 |
| int4 in blocks of 32, symmetric | 25 | 54.9 | 90.8% | 0.057 |

(MatMulNBits leaves the table of words in f32; here it is stored in 8 bits, which takes another 34 MB off.) So int8 is
what is widened while loading, and 4 bits are blocks with zero points. MatMulNBits widens in each call: it is slower
where many rows share the weights, and faster where reading the weights is what takes the time.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sartor.compress.onnx_file import read_whole, write_whole
from sartor.compress.quiet import quiet
from sartor.compress.stored_weights import store_in_8_bits
from sartor.compress.values import StepResult, Work
from sartor.errors import CandidateError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

DEFAULT_GROUP = 64


def store_int8(work: Work) -> StepResult:
    """Requires weights. Ensures int8 with one scale for each output, widened while loading. Changes the numbers."""
    model = read_whole(work.source.path)
    if store_in_8_bits(model) == 0:
        raise CandidateError("unsupported", "nothing to compress: no product, convolution or table has large weights")
    return _written(model, work, ())


def store_int4(work: Work) -> StepResult:
    """Requires products with matrices of weights. Ensures 4 bits in blocks with zero points. Changes the numbers.

    Blocks are `group` inputs of one output. Other weights, such as tables of words, are stored in 8 bits.
    """
    group = int(work.step.setting("group", DEFAULT_GROUP))
    model = read_whole(work.source.path)
    split_gemms(model)
    with TemporaryDirectory(prefix="sartor-") as scratch, quiet():
        model = _in_blocks(write_whole(model, Path(scratch) / "products.onnx"), group)
    products = sum(node.op_type == "MatMulNBits" for node in model.graph.node)
    if products == 0:
        raise CandidateError("unsupported", "nothing to compress: no product has a matrix of weights")
    store_in_8_bits(model)
    return _written(model, work, (f"{products} matrices in 4 bits, {group} weights to a scale",))


def _in_blocks(path: Path, group: int) -> ModelProto:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(str(path), bits=4, block_size=group, is_symmetric=False)
    quantizer.process()
    model: ModelProto = quantizer.model.model
    return model


def split_gemms(model: ModelProto) -> None:
    """Write `Gemm` with a matrix of weights as MatMul and Add, in place: the quantizer knows no Gemm.

    Gemms with factors, or whose first input is transposed, are left.
    """
    from onnx import helper, numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    readers = [name for node in model.graph.node for name in node.input]
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        plain = not given.get("transA") and given.get("alpha", 1.0) == given.get("beta", 1.0) == 1.0
        if node.op_type != "Gemm" or not plain or node.input[1] not in weights or readers.count(node.input[1]) > 1:
            nodes.append(node)
            continue
        tensor = weights[node.input[1]]
        if given.get("transB"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).T.copy(), tensor.name))
        biased = len(node.input) > 2 and node.input[2] != ""
        product = f"{node.output[0]}.product" if biased else node.output[0]
        nodes.append(helper.make_node("MatMul", [node.input[0], tensor.name], [product], node.name))
        if biased:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]], f"{node.name}.bias"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _written(model: ModelProto, work: Work, notes: tuple[str, ...]) -> StepResult:
    before, main = work.source.path.stat().st_size, write_whole(model, work.folder / "model.onnx")
    share = main.stat().st_size / before
    return StepResult(main, changed=True, notes=(*notes, f"{share:.0%} of the bytes of f32"))
