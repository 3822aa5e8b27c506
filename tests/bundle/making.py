"""Bundles around a tiny ONNX file, written without torch and without a fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sartor.bundle.manifest import FILE_NAME
from sartor.bundle.values import Variant
from sartor.bundle.write import Contents, Part, write_bundle
from sartor.machine.device import this_machine
from sartor.model.onnx import read_signature
from sartor.need import Need
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings

FEATURES, CLASSES = 4, 3
NAMES = ("ant", "bee", "cat")
NEED = Need(task="tabular-classification", model="net.onnx", data="rows.csv", require={"accuracy": ">= 0.5"})
PLAIN, INT8 = Recipe(), Recipe((CompressionStep("int8-dynamic"),))


def write_net(
    path: Path,
    rows: int | str = "batch",
    features: int = FEATURES,
    columns: int = CLASSES,
    operator: str = "MatMul",
    domain: str = "",
    scale: float = 1.0,
) -> Path:
    """`scores = x @ weight`, (rows, features) -> (rows, columns); the weight is a scaled identity."""
    weight = scale * np.eye(features, columns, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "weight"], ["scores"], domain=domain)],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [rows, columns])],
        [numpy_helper.from_array(weight.astype(np.float32), "weight")],
    )
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def part(
    path: Path,
    model: str = "net",
    recipe: Recipe = PLAIN,
    settings: Settings | None = None,
    steps: tuple[dict[str, Any], ...] = (),
) -> Part:
    """A variant of a file as it is; the recipe is only claimed."""
    candidate = Candidate(model, recipe, "onnxruntime", settings or Settings())
    return Part(Variant(candidate, path, path.stat().st_size), read_signature(path), steps, "logits")


def contents(*parts: Part, evidence: Mapping[str, Any] | None = None, isa_class: str = "") -> Contents:
    """What goes into a bundle; the first part is the chosen one."""
    machine = this_machine()
    return Contents(
        outcome="met",
        provisional=False,
        chosen=parts[0].variant.id,
        parts={each.variant.id: each for each in parts},
        classes=NAMES,
        machine=machine.as_dict(),
        isa_class=isa_class or machine.isa_class,
        data_hashes={"confirm": "0" * 32},
        evidence=evidence or {"schema_version": 1},
    )


def write_simple(folder: Path, **changes: Any) -> Path:
    """A bundle of one variant in f32 with a dynamic batch, made out of `folder/../source/net.onnx`."""
    source = folder.parent / f"{folder.name}-source"
    source.mkdir(parents=True)
    chosen = part(write_net(source / "net.onnx"))
    write_bundle(folder, replace(contents(chosen), **changes), NEED)
    return folder


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Change entries of bundle.json; a value of None takes the entry out."""
    file = folder / FILE_NAME
    values = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


def edit_variant(folder: Path, **changes: Any) -> None:
    """Change entries of the chosen variant in bundle.json."""
    values = json.loads((folder / FILE_NAME).read_text())
    values["variants"][values["chosen"]].update(changes)
    edit_manifest(folder, variants=values["variants"])
