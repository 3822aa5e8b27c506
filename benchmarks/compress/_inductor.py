"""The peer from torch: int8 by PT2E with the quantizer for x86, compiled ahead of time by inductor.

The network is the same f32 ONNX file, as a torch module; torchao quantizes it with its defaults for x86, and inductor
compiles it for single rows with the weights frozen, as torch's tutorial for x86 has it. Rows of several lengths keep
their length symbolic.
"""

from __future__ import annotations

import importlib
import operator
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from _peers import single_rows
from sartor.runtime import RUNTIMES
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared

WORKER = Path(__file__).parent / "_inductor_worker"
INT8, RUNTIME = "torch inductor int8", "torch inductor"


@contextmanager
def known_to_workers() -> Iterator[None]:
    """Register the runtime here and in every worker that is started within; outside, fits know their own alone."""
    before = os.environ.get("PYTHONPATH", "")
    paths = [str(WORKER), *filter(None, before.split(os.pathsep))]
    with patch.object(sys, "path", [str(WORKER), *sys.path]):
        importlib.import_module("inductor_runtime").register()
    with patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(paths)}):
        try:
            yield
        finally:
            del RUNTIMES[RUNTIME]


def build(source: Path, calibration: Prepared, folder: Path) -> Path:
    """A package of the network of an ONNX file, of its first output."""
    import onnx
    import torch
    import torch._inductor.config as inductor
    from torch._inductor import aoti_compile_and_package

    from sartor.train.onnx_module import OnnxModule

    model = onnx.load(source)
    names = [value.name for value in model.graph.input]
    rows = [[row[name] for name in names] for row in single_rows(calibration)]
    network = _first(OnnxModule(model, [model.graph.output[0].name])).eval()
    with torch.no_grad(), inductor.patch({"freezing": True, "cpp.dynamic_threads": True}):
        # The first module takes any number of rows, as one argument; what was exported takes each by itself.
        exported = torch.export.export(network, _example(rows), dynamic_shapes=(_dynamic(rows),)).module()
        program = torch.export.export(_quantized(exported, rows), _example(rows), dynamic_shapes=_dynamic(rows))
        return Path(aoti_compile_and_package(program, package_path=str(folder / "inductor.pt2")))


def _quantized(exported: Any, rows: list[list[Array]]) -> Any:
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    _as_linear(exported)
    _name_sources(exported.graph)
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(exported, quantizer)
    for row in rows:
        prepared(*map(torch.from_numpy, row))
    made = convert_pt2e(prepared)
    if not any("quantize_per" in str(node.target) for node in made.graph.nodes):
        raise ValueError("torchao found nothing to quantize")
    return made


def _as_linear(exported: Any) -> None:
    """Products with a constant matrix become linear layers, which the quantizer knows; ONNX has no such operator."""
    import torch

    for node in list(exported.graph.nodes):
        matrix = node.args[1] if node.target is torch.ops.aten.matmul.default else None
        if matrix is None or matrix.op != "get_attr" or exported.get_parameter(matrix.target).ndim != 2:
            continue
        name = f"{matrix.target}_as_linear".replace(".", "_")
        exported.register_parameter(name, torch.nn.Parameter(exported.get_parameter(matrix.target).T.contiguous()))
        with exported.graph.inserting_before(node):
            weight = exported.graph.get_attr(name)
            linear = exported.graph.call_function(torch.ops.aten.linear.default, (node.args[0], weight))
        linear.meta = dict(node.meta)
        node.replace_all_uses_with(linear)
        exported.graph.erase_node(node)
    exported.recompile()


def _name_sources(graph: Any) -> None:
    """Say of each operator which layer it is: the quantizer finds what it fuses by that, which functions lack."""
    import torch

    aten = torch.ops.aten
    layers = {
        aten.conv2d.default: torch.nn.Conv2d,
        aten.linear.default: torch.nn.Linear,
        aten.relu.default: torch.nn.ReLU,
        aten.add.Tensor: operator.add,
        aten.adaptive_avg_pool2d.default: torch.nn.AdaptiveAvgPool2d,
        aten.max_pool2d.default: torch.nn.MaxPool2d,
        aten.hardtanh.default: torch.nn.Hardtanh,
        aten.silu.default: torch.nn.SiLU,
    }
    for node in graph.nodes:
        if node.target in layers:
            node.meta["source_fn_stack"] = [(node.name, layers[node.target])]


def _first(network: Any) -> Any:
    """The module that gives a network's first output and not a dictionary."""
    import torch

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *rows: torch.Tensor) -> torch.Tensor:
            first: torch.Tensor = next(iter(self.network(*rows).values()))
            return first

    return First()


def _example(rows: list[list[Array]]) -> tuple[Any, ...]:
    """The longest row: a length of 1 would be taken for a constant."""
    import torch

    return tuple(torch.from_numpy(array) for array in max(rows, key=lambda row: max(map(np.size, row))))


def _dynamic(rows: list[list[Array]]) -> Any:
    """The dimensions in which rows differ, by position; those of one name are the same."""
    import torch

    shapes = [np.array([row[place].shape for row in rows]) for place in range(len(rows[0]))]
    length = torch.export.Dim("length", min=2)
    return tuple({int(axis): length for axis in np.flatnonzero(np.ptp(shape, axis=0))} for shape in shapes)
