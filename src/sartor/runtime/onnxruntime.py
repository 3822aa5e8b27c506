"""ONNX Runtime on the CPU: reads .onnx, computes in f32 and int8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

from sartor.errors import CandidateError
from sartor.runtime.base import Array, Precision, Session, Settings
from sartor.runtime.refusal import ExpectedInput, load_refusal, run_refusal

_PROVIDERS: Final = ["CPUExecutionProvider"]
_ERRORS_ONLY: Final = 3
_NUMPY_NAMES: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


@final
class OnnxRuntime:
    """The CPU provider of ONNX Runtime."""

    name = "onnxruntime"

    def version(self) -> str:
        """Version of the library."""
        return str(_library().__version__)

    def why_not(self, precision: Precision) -> str | None:
        """None for f32; bf16 has no kernels in the CPU provider."""
        if precision == "f32":
            return None
        return f"ONNX Runtime's CPU provider has no {precision} kernels"

    def load(self, path: Path, settings: Settings) -> Session:
        """Load an .onnx file. Outputs are those of the file, in its order.

        Raises:
            CandidateError: `unsupported` when the precision, the file or one of its operators is not
                supported, or when `fixed` asks for other rows than the file is fixed to.
        """
        refused = self.why_not(settings.precision)
        if refused:
            raise CandidateError("unsupported", refused)
        if settings.shape == "buckets":
            raise CandidateError("unsupported", "ONNX Runtime compiles nothing per shape, so buckets only add padding")
        return _OnnxSession(_open(path, options_for(path, settings)))


@final
class _OnnxSession:
    """An InferenceSession behind the Session interface.

    `InferenceSession.run` is the fastest call from Python: with a 74 µs network, `run` took 74 µs, the
    private binding below it 73, I/O binding 76 and OrtValues 143.
    """

    def __init__(self, session: Any) -> None:
        self._run = session.run
        self._outputs = [output.name for output in session.get_outputs()]
        self._expected = tuple(_expected(node) for node in session.get_inputs())

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Outputs in the file's order; fresh arrays.

        Raises:
            InputError: a name, dtype or shape does not fit the file.
            CandidateError: `failed`, the file itself cannot be run.
        """
        try:
            result: list[Array] = self._run(self._outputs, inputs)
        except Exception as error:
            raise run_refusal("ONNX Runtime", self._expected, inputs, error) from error
        return result

    def precision(self) -> str:
        """Always f32: the provider has no other floating arithmetic, so nothing can be read back."""
        return "f32"


def _library() -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def options_for(path: Path, settings: Settings) -> Any:
    """How a file is opened with these settings; the shape policy is `fixed` or `dynamic`.

    Raises:
        CandidateError: `unsupported` when `fixed` asks for other rows than the file is fixed to.
    """
    options = _options(settings.threads)
    if settings.shape == "fixed":
        for name, size in _free_dimensions(path, settings.batch, settings.length).items():
            options.add_free_dimension_override_by_name(name, size)
    return options


def _options(threads: int) -> Any:
    library = _library()
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    # Threads spin between the operators of one call and stop with the call. At 2 threads, int8 ResNet-18:
    # never spinning 3.2 ms, spinning always 1.9 ms, spinning until the call ends 1.9 ms; without the stop the
    # threads burn a core after each call and slow whatever runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _open(path: Path, options: Any) -> Any:
    try:
        return _library().InferenceSession(str(path), options, providers=_PROVIDERS)
    except Exception as error:
        raise load_refusal("ONNX Runtime", error) from error


def _free_dimensions(path: Path, rows: int, length: int) -> dict[str, int]:
    """Sizes of the symbolic first dimensions, and of the second ones if there is a `length`, by their names.

    An unoptimised session reads them: cheaper in memory and start-up than importing onnx for it.
    """
    options = _options(1)
    options.graph_optimization_level = _library().GraphOptimizationLevel.ORT_DISABLE_ALL
    shapes = [node.shape for node in _open(path, options).get_inputs() if node.shape]
    first = [shape[0] for shape in shapes]
    other = next((size for size in first if isinstance(size, int) and size != rows), None)
    if other is not None:
        raise CandidateError("unsupported", f"the file is fixed to {other} rows, {rows} were asked for")
    second = [shape[1] for shape in shapes if length and len(shape) > 1]
    named = {name: length for name in second if isinstance(name, str)}
    return named | {name: rows for name in first if isinstance(name, str)}


def _expected(node: Any) -> ExpectedInput:
    dtype = _NUMPY_NAMES.get(node.type)
    if dtype is None:
        raise CandidateError("unsupported", f"input `{node.name}` is {node.type}, which numpy cannot feed")
    return ExpectedInput(node.name, dtype, tuple(size if isinstance(size, int) else None for size in node.shape))
