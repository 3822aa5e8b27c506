"""How long each kernel of a file takes, in the runtime's own words: its profiler's times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sartor.errors import InputError, nearest
from sartor.runtime.base import Array, Settings
from sartor.runtime.telemetry import silence_openvino_telemetry

_NODE_TIME = "_kernel_time"


@dataclass(frozen=True)
class Kernel:
    """One operator of the graph that a runtime made of a file.

    Attributes:
        names: what it goes by: its own name, those of the file's operators that were fused into it, and those of the
            tensors that it reads.
        seconds: that one call spends in it; the profiler's own cost is in it.
    """

    names: tuple[str, ...]
    seconds: float


def kernel_seconds(
    runtime: str, path: Path, settings: Settings, calls: Sequence[Mapping[str, Array]]
) -> tuple[Kernel, ...]:
    """Run some calls under the runtime's profiler, the first of which only warms up.

    Raises:
        InputError: no such runtime.
    """
    readers = {"onnxruntime": _of_onnxruntime, "openvino": _of_openvino}
    if runtime not in readers:
        raise InputError(f"unknown runtime `{runtime}`", ", ".join(readers), nearest(runtime, readers))
    return readers[runtime](path, settings, calls)


def _of_onnxruntime(path: Path, settings: Settings, calls: Sequence[Mapping[str, Array]]) -> tuple[Kernel, ...]:
    import onnx
    import onnxruntime

    from sartor.runtime.onnxruntime import options_for

    options = options_for(path, settings)
    with TemporaryDirectory(prefix="sartor-") as scratch:
        optimised = Path(scratch) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(scratch) / "profile")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for inputs in calls:
            session.run(None, inputs)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
        nodes = onnx.load(optimised, load_external_data=False).graph.node
    times: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_NODE_TIME):
            times.setdefault(event["name"].removesuffix(_NODE_TIME), []).append(event["dur"] * 1e-6)
    return tuple(
        Kernel((node.name, *node.input), median(times[node.name][1:] or times[node.name]))
        for node in nodes
        if node.name in times
    )


def _of_openvino(path: Path, settings: Settings, calls: Sequence[Mapping[str, Array]]) -> tuple[Kernel, ...]:
    silence_openvino_telemetry()
    import openvino

    from sartor.runtime.openvino import configuration_of, fix_shape

    core = openvino.Core()
    model = core.read_model(str(path))
    if (
        settings.shape == "fixed"
    ):  # of several buckets' kernels none are the file's: those of a free shape stand for them
        fix_shape(model, settings.batch, settings.length)
    compiled = core.compile_model(model, "CPU", {**configuration_of(settings), "PERF_COUNT": True})
    request = compiled.create_infer_request()
    times: dict[str, list[float]] = {}
    for inputs in calls:
        request.infer(dict(inputs))
        for one in request.profiling_info:
            times.setdefault(one.node_name, []).append(one.real_time.total_seconds())
    found = []
    for node in compiled.get_runtime_model().get_ops():
        facts = {name: str(fact.value) for name, fact in node.get_rt_info().items()}
        name = node.get_friendly_name()
        if name in times:
            fused = tuple(part for part in facts.get("originalLayersNames", "").split(",") if part)
            found.append(Kernel((name, *fused), median(times[name][1:] or times[name])))
    return tuple(found)
