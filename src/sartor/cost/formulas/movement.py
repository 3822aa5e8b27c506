"""Operators that move numbers without computing, and those that move nothing.

A view (Reshape, Squeeze, ...) hands the same memory on: runtimes move nothing. Gather, Slice and their kin read only
what they write (and their indices whole). The rest read inputs and write outputs once.
"""

from __future__ import annotations

from sartor.cost.formulas.work import (
    MICROSOFT,
    ML,
    NCHWC,
    NHWC,
    ONNX,
    Formula,
    Work,
    elements,
    given,
    has,
    number_type,
    out_elements,
    size_bytes,
    type_of,
    under,
)
from sartor.cost.graph import Operator, element_bits

# Their first output is the memory of their first input. Dropout is one at inference.
VIEWS = frozenset(
    {
        *((ONNX, name) for name in ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout", "BitCast")),
        *((ONNX, name) for name in ("Optional", "OptionalGetElement")),
        (MICROSOFT, "ExpandDims"),
    }
)
# They look at shapes, or make values that the runtime makes once, when it loads the file.
_SILENT = ("Shape", "Size", "Constant", "SequenceLength", "SequenceEmpty", "OptionalHasElement")


def _nothing(operator: Operator) -> Work:
    return Work(read=dict.fromkeys(range(len(operator.inputs)), 0.0), written=0.0)


def _moved(_: Operator) -> Work:
    return Work()


def _taken(position: int = 0) -> Formula:
    """Of one input only as much is read as is written, or all of it where that is less."""

    def formula(operator: Operator) -> Work:
        source = given(operator, position)
        # Several rows asked for twice come from a cache the second time; no more than the input is ever counted.
        bits = out_elements(operator) * element_bits(source.dtype)
        whole = size_bytes(source) if source.shape is not None else bits / 8
        return Work(read={position: min(bits / 8, whole)})

    return formula


def _unpacked(operator: Operator) -> Work:
    """GatherBlockQuantized(data, indices, scales, zero points): dequantizes (2 per element) the rows it takes."""
    outputs = out_elements(operator)
    stored = given(operator, 0)
    bits = operator.attributes.get("bits", 4) if stored.dtype == "uint8" else element_bits(stored.dtype)
    share = min(outputs * bits / 8 / max(size_bytes(stored), 1), 1.0)
    quantized = [position for position in (0, 2, 3) if has(operator, position)]
    read = {position: share * size_bytes(given(operator, position)) for position in quantized}
    return Work({type_of(operator, 2): 2.0 * outputs}, read)


def _scattered(operator: Operator) -> Work:
    """One operation per update where updates are combined with what is there."""
    if operator.attributes.get("reduction", "none") == "none":
        return Work()
    return Work({type_of(operator): float(elements(operator, 2))})


def _counted(operator: Operator) -> Work:
    """Range: an addition for each number."""
    return Work({number_type(operator.outputs[0].dtype): float(out_elements(operator))})


def _unwrapped(operator: Operator) -> Work:
    """ZipMap: a dictionary for each row, written in as many bytes as its numbers have; their form is the runtime's."""
    return Work(written=float(size_bytes(given(operator, 0))))


_TAKING = ("Gather", "GatherElements", "GatherND", "Slice", "CenterCropPad", "Compress")
_MOVING = (
    *("Concat", "Transpose", "Split", "Pad", "Tile", "Expand", "DepthToSpace", "SpaceToDepth", "Trilu", "OneHot"),
    *("ConstantOfShape", "EyeLike", "Cast", "CastLike", "ReverseSequence", "NonZero", "TensorScatter"),
    *("MemcpyFromHost", "MemcpyToHost"),  # ONNX Runtime puts them between devices
    *("SequenceConstruct", "SequenceInsert", "SequenceErase", "SequenceAt", "ConcatFromSequence", "SplitToSequence"),
)

TABLE = {
    **dict.fromkeys(VIEWS, _nothing),
    **under(ONNX, dict.fromkeys(_SILENT, _nothing)),
    **under(ONNX, dict.fromkeys(_MOVING, _moved)),
    **under(ONNX, {name: _taken() for name in _TAKING}),
    **under(ONNX, dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), _scattered)),
    **under(ONNX, {"Range": _counted}),
    **under(NHWC, dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _moved)),
    **under(NCHWC, dict.fromkeys(("ReorderInput", "ReorderOutput"), _moved)),
    **under(
        MICROSOFT,
        {
            **dict.fromkeys(
                ("Pad", "Trilu", "UnfoldTensor", "RemovePadding", "RestorePadding", "RelativePositionBias"), _moved
            ),
            **{"GatherND": _taken(), "TorchEmbedding": _taken(), "Range": _counted},
            "GatherBlockQuantized": _unpacked,
        },
    ),
    **under(
        ML,
        {
            **dict.fromkeys(("CastMap", "CategoryMapper", "DictVectorizer", "FeatureVectorizer"), _moved),
            **dict.fromkeys(("LabelEncoder", "OneHotEncoder"), _moved),
            **{"ArrayFeatureExtractor": _taken(), "ZipMap": _unwrapped},
        },
    ),
}
