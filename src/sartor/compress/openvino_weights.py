"""Weights alone in 8 or 4 bits for OpenVINO, by NNCF; activations and sums stay in the precision of the candidate.

The runtime is told not to round activations beside them (`DYNAMIC_QUANTIZATION_GROUP_SIZE` 0), so that answers do not
depend on the processor. MiniLM-L6 as in `onnxruntime_weights`; f32 takes 32 ms in 90.8 MB:

| weights | ms | MB | answers kept | error |
|---|---|---|---|---|
| int8 with zero point | 28 | 23.2 | 100% | 0.0003 |
| int8 symmetric | 37 | 23.1 | 99.8% | 0.0006 |
| int4 in blocks of 32, with zero point | 35 | 18.7 | 94.5% | 0.032 |
| int4 in blocks of 64, with zero point | 31 | 18.2 | 95.0% | 0.028 |
| int4 in blocks of 128, with zero point | 34 | 18.0 | 91.5% | 0.086 |
| int4 in blocks of 32, symmetric | 41 | 18.4 | 90.8% | 0.059 |
"""

from __future__ import annotations

from typing import Any

from sartor.compress.openvino_int8 import read_model, save_model
from sartor.compress.quiet import quiet
from sartor.compress.values import StepResult, Work
from sartor.errors import CandidateError

DEFAULT_GROUP = 64


def store_int8(work: Work) -> StepResult:
    """Requires weights. Ensures u8 with a scale and a zero point for each output. Changes the numbers."""
    return _compressed(work, "INT8_ASYM", "u8")


def store_int4(work: Work) -> StepResult:
    """Requires products with matrices of weights. Ensures u4 in blocks of `group`. Changes the numbers.

    NNCF stores tables, convolutions, the last product, and matrices that no blocks fit into, in 8 bits.
    """
    return _compressed(work, "INT4_ASYM", "u4", group_size=int(work.step.setting("group", DEFAULT_GROUP)))


def _compressed(work: Work, mode: str, kind: str, **options: Any) -> StepResult:
    model = read_model(work.source.path)
    with quiet():
        import nncf

        nncf.set_log_level(50)  # its handler has kept the stdout of its import
        # Inputs that groups do not divide get the largest power of two that does, or else 8 bits.
        adjust = nncf.AdvancedCompressionParameters(group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST)
        compressed = nncf.compress_weights(
            model, mode=nncf.CompressWeightsMode[mode], advanced_parameters=adjust if options else None, **options
        )
    if not any(op.get_element_type().get_type_name() == kind for op in _constants(compressed)):
        bits = kind.removeprefix("u")
        raise CandidateError("unsupported", f"nothing to compress: NNCF stores no weight of this model in {bits} bits")
    main = save_model(compressed, work.folder / "model.xml")
    share = sum(file.stat().st_size for file in work.folder.iterdir()) / work.source.path.stat().st_size
    return StepResult(main, changed=True, notes=(f"{share:.0%} of the bytes of f32",))


def _constants(model: Any) -> list[Any]:
    return [op for op in model.get_ops() if op.get_type_name() == "Constant"]
