"""Measured floors: what no model can get below on this machine, whatever it computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.measure.latency import Feed, load, start_worker, timed_round
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

_LAUNCHES = 3


@dataclass(frozen=True)
class Floors:
    """The least that any candidate can reach.

    Attributes:
        call_seconds: the fastest single call of an identity model, over runtimes and launches.
        memory_bytes: the smallest peak of a worker that has loaded an identity model.
        size_bytes: the size of the identity model, the smallest serialisable candidate.
    """

    call_seconds: float
    memory_bytes: int
    size_bytes: int


def write_identity(path: Path) -> None:
    """Write an ONNX model that copies one number."""
    import onnx

    spec = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "i", spec[:1], spec[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)


def measure_floors(folder: Path, runtimes: tuple[str, ...], memory_limit: float | None = None) -> Floors:
    """Time an identity model in every runtime over fresh launches; a few seconds in all.

    Raises:
        CandidateError: `memory`, too little of the limit is left for a worker.
    """
    model, rows = folder / "identity.onnx", folder / "identity-rows.npy"
    write_identity(model)
    np.save(rows, np.arange(100))
    inputs = Prepared({"x": np.zeros((100, 1), dtype=np.float32)}).save(folder / "identity")
    feed = Feed(inputs, rows, 1, memory_limit)
    fastest = float("inf")
    memory = []
    for runtime in runtimes:
        variant = Variant(Candidate("identity", Recipe(()), runtime, Settings()), model, 0)
        for _ in range(_LAUNCHES):
            with start_worker(feed) as worker:
                load(worker, variant, "it", 0.1)
                memory.append(int(worker.ask({"do": "peak"}, 10.0)["bytes"]))
                fastest = min(fastest, float(timed_round(worker, "it", 500, 0).min()))
    return Floors(fastest, min(memory), model.stat().st_size)
