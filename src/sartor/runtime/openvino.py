"""OpenVINO on the CPU: reads .onnx and its own .xml, computes in f32, bf16 and int8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from sartor.errors import CandidateError
from sartor.runtime.base import Array, Precision, Session, Settings
from sartor.runtime.refusal import ExpectedInput, load_refusal, run_refusal
from sartor.runtime.telemetry import silence_openvino_telemetry

_DEVICE: Final = "CPU"
_CAPABILITIES: Final[dict[Precision, str]] = {"f32": "FP32", "bf16": "BF16"}


@final
class OpenVino:
    """The CPU plugin of OpenVINO."""

    name = "openvino"

    def version(self) -> str:
        """Version of the library, without its build number."""
        return str(_library().__version__).split("-")[0]

    def why_not(self, precision: Precision) -> str | None:
        """None when the plugin says that this processor computes in `precision`."""
        capabilities = _library().Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
        if _CAPABILITIES[precision] in capabilities:
            return None
        offered = ", ".join(capabilities)
        return f"OpenVINO does not compute in {precision} on this processor (it offers {offered})"

    def load(self, path: Path, settings: Settings) -> Session:
        """Load and compile an .onnx or .xml file; an .xml loads in less than half the time.

        The precision concerns what is not quantized: an int8 file computes in int8 under both hints.

        Raises:
            CandidateError: `unsupported` when the file or one of its operators is not supported;
                `wrong-output` when the plugin compiled for another precision than asked.
        """
        core = _library().Core()
        try:
            model = core.read_model(str(path))
        except RuntimeError as error:
            raise load_refusal("OpenVINO", error) from error
        if settings.shape == "buckets":
            return _BucketSession(core, model, settings)
        return _compile(core, model, settings, settings.length)


def _compile(core: Any, model: Any, settings: Settings, length: int) -> _OpenVinoSession:
    try:
        if settings.shape != "dynamic":
            fix_shape(model, settings.batch, length)
        compiled = core.compile_model(model, _DEVICE, configuration_of(settings))
    except RuntimeError as error:
        raise load_refusal("OpenVINO", error) from error
    session = _OpenVinoSession(compiled)
    if session.precision() != settings.precision:
        detail = f"OpenVINO compiled for {session.precision()}, {settings.precision} was asked for"
        raise CandidateError("wrong-output", detail)
    return session


@final
class _BucketSession:
    """One compiled model for each length that comes, made when it first comes."""

    def __init__(self, core: Any, model: Any, settings: Settings) -> None:
        self._core, self._model, self._settings = core, model, settings
        self._varying = [
            _expected(port).name
            for port in model.inputs
            if len(port.partial_shape) > 1 and port.partial_shape[1].is_dynamic
        ]
        if not self._varying:
            raise CandidateError("unsupported", "no input has a length that varies")
        self._sessions: dict[int, _OpenVinoSession] = {}

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """As `_OpenVinoSession.run`; all inputs that vary have one length."""
        length = inputs[self._varying[0]].shape[1]
        session = self._sessions.get(length)
        if session is None:
            session = self._sessions[length] = _compile(self._core, self._model.clone(), self._settings, length)
        return session.run(inputs)

    def precision(self) -> str:
        """As asked for: each compilation is checked when it is made."""
        return self._settings.precision


@final
class _OpenVinoSession:
    """A compiled model with one request, reused.

    Inputs are shared without a copy where numpy allows it; outputs are views that the next call overwrites.
    Setting tensors first skips the wrapper's dispatch: 100 µs instead of 110 on a small network.
    """

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._tensor = _library().Tensor
        self._expected = tuple(_expected(port) for port in compiled.inputs)
        self._names = [spec.name for spec in self._expected]

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Outputs in the file's order; views that hold until the next call.

        Raises:
            InputError: a name, dtype or shape does not fit the file.
            CandidateError: `failed`, the file itself cannot be run.
        """
        request = self._request
        try:
            # Nothing else keeps what is shared alive: a copy that was let go of gave numbers of whatever came after it.
            held = [self._shared(inputs[name]) for name in self._names]
            for index, tensor in enumerate(held):
                request.set_input_tensor(index, tensor)
            return list(request.infer(share_outputs=True).values())
        except Exception as error:
            raise run_refusal("OpenVINO", self._expected, inputs, error) from error

    def precision(self) -> str:
        """`f32` or `bf16`, as the compiled model reports it."""
        return str(self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())

    def _shared(self, array: Array) -> Any:
        # OpenVINO refuses to share memory that is read-only (a mapped file) or not in one piece.
        if not (array.flags.c_contiguous and array.flags.writeable):
            array = np.array(array, order="C")
        return self._tensor(array, shared_memory=True)


def _library() -> Any:
    silence_openvino_telemetry()
    import openvino

    return openvino


def configuration_of(settings: Settings) -> dict[str, Any]:
    """How every model here is compiled."""
    return {
        "INFERENCE_PRECISION_HINT": settings.precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(settings.threads),
        # Pinned or not measured the same on an idle machine; pinned processes would share cores with each
        # other while others stand idle, so the operating system places the threads.
        "ENABLE_CPU_PINNING": False,
        # Else weights stored in 8 bits may be computed with activations rounded to 8 bits, unasked.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    }


def fix_shape(model: Any, rows: int, length: int) -> None:
    """Give a model's inputs this many rows, and this length where their dimension 1 is free and it is not 0, in place.

    Raises:
        CandidateError: `unsupported` when the file is fixed to other rows.
    """
    shapes = {port: port.partial_shape for port in model.inputs}
    for shape in shapes.values():
        if len(shape) and shape[0].is_static and shape[0].get_length() != rows:
            detail = f"the file is fixed to {shape[0].get_length()} rows, {rows} were asked for"
            raise CandidateError("unsupported", detail)
        if len(shape):
            shape[0] = rows
        if length and len(shape) > 1 and shape[1].is_dynamic:
            shape[1] = length
    model.reshape(shapes)


def _expected(port: Any) -> ExpectedInput:
    shape = tuple(size.get_length() if size.is_static else None for size in port.partial_shape)
    # A port also answers to the names of whatever was folded into it, such as a Flatten that does nothing;
    # the node keeps the name that the file gives the input.
    return ExpectedInput(port.node.friendly_name, str(port.element_type.to_dtype()), shape)
