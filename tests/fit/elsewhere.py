"""Bundles of int8 files that say they were proved on another kind of processor than this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from sartor.bundle.values import Variant
from sartor.bundle.write import Part, write_bundle
from sartor.compress.build import build
from sartor.data.split import make_splits
from sartor.fit.inputs import decoded_data
from sartor.machine.device import Machine, this_machine
from sartor.model.values import ExportedModel
from sartor.need import Need
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Precision, Settings
from sartor.steps.prepared import Prepared
from tests.bundle.making import contents
from tests.compress.networks import CLASSES, rows

ELSEWHERE = "riscv-v"
VNNI = Machine("New", "x86_64", 2, ("avx2", "avx512f", "avx512_vnni"), 2**33, "Linux 6", "3.11")
AVX2 = Machine("Old", "x86_64", 2, ("avx2",), 2**33, "Linux 5", "3.11")
STATIC = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),)),))
DYNAMIC = Recipe((CompressionStep("int8-dynamic"),))
SIZE = {"name": "size", "bound": {"op": "<=", "value": 1e7, "unit": "B"}}
AGREEMENT = {"name": "agreement", "bound": {"op": ">=", "value": 0.9, "unit": ""}}

needs_saturation = pytest.mark.skipif(this_machine().isa_class != "x86-avx2", reason="8-bit sums are exact here")


@dataclass(frozen=True)
class Int8:
    """A network in f32 with an int8 file of it, built as for a machine."""

    source: ExportedModel
    variant: Variant


def quantized(
    source: ExportedModel,
    machine: Machine,
    folder: Path,
    *,
    recipe: Recipe = STATIC,
    runtime: str = "onnxruntime",
    precision: Precision = "f32",
) -> Int8:
    """An int8 file as it is built on `machine`; the arithmetic around it is only claimed."""
    built = build(recipe, source, runtime, Prepared({"x": rows(24)}), folder, machine=machine)
    candidate = Candidate("net", recipe, runtime, Settings(precision=precision))
    return Int8(source, Variant(candidate, built.path, built.size_bytes))


def write_moved(
    folder: Path,
    int8: Int8,
    *limits: Mapping[str, object],
    reference: ExportedModel | None = None,
    isa_class: str = ELSEWHERE,
) -> Path:
    """A bundle of the int8 file and the network in f32, with `rows.npz` beside it, which it was proved on.

    Args:
        reference: what stands in place of the network in f32.
    """
    labels = np.arange(400) % CLASSES
    folder.mkdir()
    np.savez(folder / "rows.npz", inputs=rows(400), labels=labels)
    need = Need(task="image-classification", model="net.onnx", data="rows.npz", train=False, require={})
    source = reference or int8.source
    plain = Variant(Candidate("net", Recipe(), "onnxruntime", Settings()), source.path, source.path.stat().st_size)
    parts = [Part(variant, source.signature, (), "logits") for variant in (int8.variant, plain)]
    evidence = {
        "schema_version": 1,
        "limits": list(limits or (SIZE,)),
        "zero": plain.id,
        "baseline": plain.id,
        "confirm_alpha": 0.04,
        "splits": {"rows": {"train": 0}},
    }
    splits = make_splits(decoded_data(need, (), (), folder), trains=False, seed=need.seed)
    made = replace(
        contents(*parts, evidence=evidence, isa_class=isa_class),
        classes=tuple(map(str, range(CLASSES))),
        data_hashes=dict(splits.hashes),
    )
    write_bundle(folder / "out", made, need)
    return folder / "out"
