"""Which kernels a runtime runs for the products of a file, in its own words."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sartor.errors import InputError, nearest
from sartor.runtime.base import Settings
from sartor.runtime.telemetry import silence_openvino_telemetry

_PRODUCTS = ("MatMul", "Gemm", "FullyConnected", "Convolution", "Conv")


def executed_products(runtime: str, path: Path, settings: Settings) -> tuple[str, ...]:
    """Names of the kernels behind matrix products and convolutions, each once, in order of appearance.

    ONNX Runtime names operators of its optimised graph (`QLinearMatMul`), OpenVINO the primitives of its compiled
    model (`brgemm_avx512_I8`: the last word is the type that is multiplied).

    Raises:
        InputError: no such runtime.
    """
    readers = {"onnxruntime": _of_onnxruntime, "openvino": _of_openvino}
    if runtime not in readers:
        raise InputError(f"unknown runtime `{runtime}`", ", ".join(readers), nearest(runtime, readers))
    return tuple(dict.fromkeys(readers[runtime](path, settings)))


def computes_in_int8(kernels: tuple[str, ...]) -> bool:
    """Whether all of these kernels multiply 8-bit integers, by their names."""
    lower = [kernel.lower() for kernel in kernels]
    return bool(lower) and all(name.startswith(("qlinear", "matmulinteger")) or "i8" in name for name in lower)


def _of_onnxruntime(path: Path, settings: Settings) -> list[str]:
    import onnx
    import onnxruntime

    from sartor.runtime.onnxruntime import options_for

    options = options_for(path, settings)
    with TemporaryDirectory(prefix="sartor-") as scratch:
        optimised = Path(scratch) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(optimised, load_external_data=False).graph.node
    return [node.op_type for node in nodes if any(word in node.op_type for word in _PRODUCTS)]


def _of_openvino(path: Path, settings: Settings) -> list[str]:
    silence_openvino_telemetry()
    import openvino

    from sartor.runtime.openvino import configuration_of

    compiled = openvino.Core().compile_model(str(path), "CPU", configuration_of(settings))
    facts: list[dict[str, Any]] = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    return [str(fact["primitiveType"].value) for fact in facts if fact["layerType"].value in _PRODUCTS]
