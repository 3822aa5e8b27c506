"""8-bit integers for OpenVINO, by NNCF, and its file format.

ResNet-18 at 3x64x64 on an AMD EPYC with AVX512-VNNI: f32 10.7 ms, bf16 5.7,
int8 3.3; with 2 threads 6.0, 3.2 and 1.6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sartor.compress.calibration import pieces
from sartor.compress.onnx_file import SMALLEST_WEIGHT, looks_like_transformer, read_whole
from sartor.compress.quiet import quiet
from sartor.compress.values import StepResult, Work
from sartor.errors import CandidateError, nearest
from sartor.runtime.refusal import load_refusal
from sartor.runtime.telemetry import silence_openvino_telemetry

_NOT_TAKEN = (
    "the calibration rows never take a branch of this model, so that NNCF knows no ranges there; add rows that take it"
)
_PRODUCTS = ("Convolution", "GroupConvolution", "MatMul")
_RECURRENT = ("LSTMSequence", "GRUSequence", "RNNSequence", "TensorIterator")
_LAYOUTS = ("Convert", "Reshape", "Transpose", "Unsqueeze", "Squeeze")


def read_model(path: Path) -> Any:
    """An OpenVINO model from .onnx.

    Raises:
        CandidateError: `unsupported`, naming the operator that OpenVINO lacks.
    """
    silence_openvino_telemetry()
    import openvino

    try:
        return openvino.Core().read_model(str(path))
    except RuntimeError as error:
        raise load_refusal("OpenVINO", error) from error


def save_model(model: Any, path: Path, *, half: bool = False) -> Path:
    """Write the .xml with its .bin beside it; `half` stores weights as fp16. Returns `path`."""
    import openvino

    openvino.save_model(model, str(path), compress_to_fp16=half)
    return path


def quantize_static(work: Work) -> StepResult:
    """Requires calibration rows. Ensures 8-bit weights and activations. Changes the numbers.

    NNCF equalises what the products of a transformer read, at a strength of 0.95; `equalise: 0.7` is another one.
    """
    model = read_model(work.source.path)
    with quiet():
        import nncf

        nncf.set_log_level(50)  # its handler has kept the stdout of its import
        scope = nncf.IgnoredScope(names=_kept_operators(model, work.step.keeps))
        try:
            quantized = nncf.quantize(model, _dataset(work), ignored_scope=scope, **_options(work))
        except nncf.ValidationError as error:
            # NNCF's words for an operator that no row came to.
            if "Calibration dataset must not be empty" in str(error) and _branches(model):
                raise CandidateError("unsupported", _NOT_TAKEN) from error
            raise
    main = save_model(quantized, work.folder / "model.xml")
    quantizers = sum(op.get_type_name() == "FakeQuantize" for op in quantized.get_ops())
    if quantizers == 0:
        raise CandidateError("unsupported", "nothing to quantize: no operator with 8-bit kernels has weights")
    notes = [f"{quantizers} activations in 8 bits"]
    if left := _operators_in_f32(quantized):
        notes.append(f"in f32 stay {left}")
    return StepResult(main, changed=True, notes=tuple(notes))


def _operators_in_f32(model: Any) -> str:
    """As of an ONNX file: `2 LSTMSequence`; empty for none."""
    types: Counter[str] = Counter()
    for op in model.get_ops():
        read = [op.input_value(place).get_node() for place in range(op.get_input_size())]
        if op.get_type_name() in (*_PRODUCTS, *_RECURRENT) and any(_is_f32_matrix(node) for node in read):
            types[op.get_type_name()] += 1
    return ", ".join(f"{count} {name}" for name, count in types.most_common())


def _is_f32_matrix(node: Any) -> bool:
    """Whether it is a weight in f32, or one that is only laid out anew."""
    while node.get_type_name() in _LAYOUTS:
        node = node.input_value(0).get_node()
    shape = node.get_output_shape(0) if node.get_type_name() == "Constant" else ()
    return len(shape) >= 2 and bool(np.prod(shape) >= SMALLEST_WEIGHT and node.get_element_type().is_real())


def _branches(model: Any) -> bool:
    return any(op.get_type_name() in ("If", "Loop", "TensorIterator") for op in model.get_ops())


def _kept_operators(model: Any, keeps: Sequence[str]) -> list[str]:
    """OpenVINO's names of the operators that read some weights, through whatever lays a weight out anew.

    Raises:
        CandidateError: `unsupported`, naming a weight that the model does not have.
    """
    weights = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "Constant"}
    found: list[str] = []
    for name in keeps:
        if name not in weights:
            raise CandidateError("unsupported", f"no layer has the weight `{name}`. {nearest(name, weights)}".strip())
        waiting = [weights[name]]
        while waiting:
            readers = [port.get_node() for port in waiting.pop().output(0).get_target_inputs()]
            found += [node.get_friendly_name() for node in readers if node.get_type_name() in _PRODUCTS]
            waiting += [node for node in readers if node.get_type_name() in _LAYOUTS]
    return found


def _dataset(work: Work) -> Any:
    import nncf

    # One row at a time: NNCF's ranges are means over items, so that an item must be a row.
    return nncf.Dataset(list(pieces(work.source, work.rows, 1)))


def _options(work: Work) -> dict[str, Any]:
    import nncf

    calibration = str(work.step.setting("calibration", "minmax"))
    preset = nncf.QuantizationPreset.MIXED if calibration == "mixed" else nncf.QuantizationPreset.PERFORMANCE
    transformer = looks_like_transformer(read_whole(work.source.path))
    if work.step.setting("equalise", 0.0) and not transformer:
        raise CandidateError("unsupported", "nothing to equalise: NNCF does so in transformers alone")
    return {
        "preset": preset,
        "subset_size": len(work.rows),
        "fast_bias_correction": True,
        "model_type": nncf.ModelType.TRANSFORMER if transformer else None,
        "advanced_parameters": _advanced(work, calibration),
    }


def _advanced(work: Work, calibration: str) -> Any:
    """Ranges of activations: `minmax` covers every value seen, as its name says.

    `mixed` keeps NNCF's own estimate, the mean over rows of each row's extremes, which cuts rows that are
    louder than most. `percentile` is the mean over rows of the 1e-4 and 1 - 1e-4 quantiles.
    """
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    exact = work.machine.exact_int8
    parameters = nncf.AdvancedQuantizationParameters(
        overflow_fix=nncf.OverflowFix.DISABLE if exact else nncf.OverflowFix.ENABLE
    )
    if calibration == "minmax":
        parameters.activations_range_estimator_params = RangeEstimatorParametersSet.MINMAX
    if calibration == "percentile":
        parameters.activations_range_estimator_params = RangeEstimatorParametersSet.MEAN_QUANTILE
    strength = float(work.step.setting("equalise", 0.0))
    if strength:
        parameters.smooth_quant_alphas = nncf.AdvancedSmoothQuantParameters(matmul=strength)
    return parameters
