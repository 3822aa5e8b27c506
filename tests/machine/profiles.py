"""A profile as a probe makes it, with figures that are easy to reckon with."""

from __future__ import annotations

from sartor.figures import Figure
from sartor.machine.caches import Cache
from sartor.machine.device import Machine
from sartor.machine.measured import Bandwidth, CallCost, Gpu, MatrixRate, Noise, Operation, StartCost
from sartor.machine.profile import Profile

MACHINE = Machine("Some CPU", "x86_64", 2, ("avx2", "avx512f"), 8 << 30, "Linux 6.1", "3.11.7")
VERSIONS = {"onnxruntime": "1.31.0", "openvino": "2026.4.0"}
CACHES = (Cache(1, 32 << 10, 64, 2, 1), Cache(2, 1 << 20, 64, 2, 1), Cache(3, 32 << 20, 64, 1, 2))
GIGA = 1e9


def measured(value: float, unit: str) -> Figure:
    return Figure(value, unit, 0.9 * value, value / 0.9, "measured")


def bytes_per_second(size: int) -> float:
    """100 GB/s to 16 KiB, 50 to 512 KiB, 20 to 16 MiB, 8 beyond, by working set of a thread."""
    return next((rate for limit, rate in ((16, 100), (512, 50), (16 << 10, 20)) if size <= limit << 10), 8) * GIGA


def curve(threads: int) -> tuple[Bandwidth, ...]:
    operations: tuple[Operation, ...] = ("read", "copy")
    return tuple(
        Bandwidth(what, threads, size * threads, measured(threads * bytes_per_second(size), "B/s"))
        for what in operations
        for size in (1 << power for power in range(14, 29))
    )


def made(machine: Machine = MACHINE, *, quick: bool = False, caches: tuple[Cache, ...] = CACHES) -> Profile:
    rates = (
        ("onnxruntime", "f32", 1, 100.0),
        ("onnxruntime", "f32", 2, 190.0),
        ("onnxruntime", "int8", 1, 380.0),
        ("openvino", "f32", 1, 105.0),
        ("openvino", "bf16", 1, 180.0),
    )
    return Profile(
        machine=machine,
        versions=VERSIONS,
        quick=quick,
        measured_at=1_790_000_000.0,
        elapsed_s=110.0,
        caches=caches,
        bandwidth=(*curve(1), *curve(2)),
        matrix=tuple(
            MatrixRate(runtime, precision, threads, measured(rate * GIGA, "FLOP/s"), (512, 512, 512), "MatMul")
            for runtime, precision, threads, rate in rates
        ),
        calls=tuple(
            CallCost(name, count, measured(count * 4e-6, "s"), measured(7e-7, "s"))
            for name in VERSIONS
            for count in (1, 2)
        ),
        starts=tuple(StartCost(name, measured(0.5, "s")) for name in VERSIONS),
        noise=Noise(Figure(1.0, "", 0.98, 1.03, "measured"), measured(0.01, "%"), measured(3e-4, "s")),
        gpus=(Gpu("NVIDIA A10G", Figure.exact(23028 * 2**20, "B"), None, "550.54.15", "8.6"),),
        notes=("onnxruntime bf16: ONNX Runtime's CPU provider has no bf16 kernels",),
    )
