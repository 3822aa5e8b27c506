"""Steps that keep f32 arithmetic: the model as it is, and weights stored in 16 bits.

Each says what it requires and ensures. None of them changes latency: both runtimes turn the weights back into
f32 while loading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sartor.compress.onnx_file import float_weights, read_whole, write_whole
from sartor.compress.values import StepResult, Work
from sartor.errors import CandidateError

if TYPE_CHECKING:
    from onnx import ModelProto

_LARGEST_FP16 = float(np.finfo(np.float16).max)


def keep_onnx(work: Work) -> StepResult:
    """Requires nothing. Ensures one .onnx file with all weights inside. Changes nothing."""
    return StepResult(write_whole(read_whole(work.source.path), work.folder / "model.onnx"), changed=False)


def keep_openvino(work: Work) -> StepResult:
    """Requires nothing. Ensures an f32 .xml and .bin, which load in half the time. Changes nothing."""
    from sartor.compress.openvino_int8 import read_model, save_model

    model = read_model(work.source.path)
    return StepResult(save_model(model, work.folder / "model.xml"), changed=False)


def halve_onnx(work: Work) -> StepResult:
    """Requires weights within fp16's range. Ensures fp16, each behind a Cast. Changes rounding only."""
    from onnx import TensorProto, helper, numpy_helper

    model = read_whole(work.source.path)
    refuse_overflow(model)
    casts = []
    for tensor, values in list(float_weights(model)):
        name, half = tensor.name, f"{tensor.name}.fp16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [name], name=f"{half}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    refuse_unchanged(bool(casts))
    return StepResult(write_whole(model, work.folder / "model.onnx"), changed=True)


def halve_openvino(work: Work) -> StepResult:
    """Requires weights within fp16's range. Ensures an .xml whose .bin holds fp16. Changes rounding only."""
    from sartor.compress.openvino_int8 import read_model, save_model

    source = read_whole(work.source.path)
    # OpenVINO itself would clamp what overflows, in silence.
    refuse_overflow(source)
    refuse_unchanged(any(True for _ in float_weights(source)))
    model = read_model(work.source.path)
    return StepResult(save_model(model, work.folder / "model.xml", half=True), changed=True)


def refuse_overflow(model: ModelProto) -> None:
    """Raises: CandidateError `unsupported` naming the first weight that fp16 cannot hold."""
    for tensor, values in float_weights(model):
        largest = float(np.max(np.abs(values)))
        if not largest <= _LARGEST_FP16:
            detail = f"weight `{tensor.name}` reaches {largest:.3g}, beyond fp16's {_LARGEST_FP16:.0f}"
            raise CandidateError("unsupported", detail)


def refuse_unchanged(changed: bool) -> None:
    """Raises: CandidateError `unsupported` when there was no weight to store in 16 bits."""
    if not changed:
        raise CandidateError("unsupported", "nothing to compress: the model has no large f32 weights")
