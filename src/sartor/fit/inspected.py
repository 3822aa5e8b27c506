"""What is inspected, and on which machine: from what was typed to a Graph, a Transformer, a Target."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sartor.cost.graph import Graph
from sartor.cost.transformer import Transformer, read_transformer
from sartor.errors import ModelError
from sartor.model.checkpoint import read_json
from sartor.model.refused import refuse_pickle
from sartor.plan.inspection import Target
from sartor.steps.resize import Resize

if TYPE_CHECKING:
    from sartor.machine.calibration_file import FoundCalibration
    from sartor.model.values import Model
    from sartor.steps.prepared import Prepared

_CONFIG = "config.json"
_ROWS = 4  # made-up rows that an export is checked with
_COLUMNS = 10  # of a head that is not there yet
_TEXT = ("input_ids", "attention_mask", "token_type_ids")
_TOKENS = 128
_CHANNELS = 3
_ZOO_ROWS = {"numbers": (30,), "picture": (3, 32, 32)}


def read_model(reference: str, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]) -> Graph | Transformer:
    """The operators of a model, or the sizes of a language model whose config is enough.

    An ONNX file is read as it is. Every other model is exported to a temporary file, with made-up rows: of the shapes
    in `shapes`, else of sizes that are usual for its kind.

    Raises:
        InputError: no model, free dimensions, sizes that contradict it; a kind that has to be fitted or exported first.
    """
    from sartor.cost.capture import capture

    path = Path(reference).expanduser()
    refuse_pickle(reference)
    if path.suffix.lower() == ".json":
        return read_transformer(path)
    if (path / _CONFIG).is_file() and (found := _language_model(path)) is not None:
        return found
    if path.suffix.lower() == ".onnx" and path.is_file():
        return capture(path, sizes, shapes)
    return _exported(reference, sizes, shapes)


def config_dtype(reference: str) -> str:
    """The element type that a config declares; bfloat16 where it declares none that is known."""
    path = Path(reference).expanduser()
    config = read_json(path / _CONFIG if path.is_dir() else path)
    declared = config.get("dtype") or config.get("torch_dtype")
    return declared if declared in ("float32", "float16", "bfloat16") else "bfloat16"


def part_target(name: str, dtype: str) -> Target:
    """A machine of the catalogue, with the roofs of its data sheet.

    Raises:
        InputError: no such part, or no peak in `dtype`.
    """
    from sartor.cost.machine_roofs import part_roofs
    from sartor.machine.catalogue import find_part

    part = find_part(name)
    roofs = part_roofs(part, dtype)
    notes = [f"{part.id}: caches and the overhead of calls are not in the catalogue"]
    if "fp32" not in part.peaks:
        notes.append(f"{part.id}: no peak in float32 is known; what stays in it is taken at that of {dtype}")
    return Target(roofs, part.peak(dtype).source, part.memory.value, tuple(notes))


def this_target() -> tuple[Target | None, str]:
    """This machine as `sartor probe` measured it; None without a profile that holds, and why."""
    from sartor.cost.machine_roofs import profile_roofs
    from sartor.machine.device import this_machine
    from sartor.machine.profile_file import find_profile
    from sartor.measure.probe import runtime_versions

    machine = this_machine()
    found = find_profile(machine, runtime_versions())
    if found.profile is None:
        return None, found.why_not
    return Target(profile_roofs(found.profile), "measured", float(machine.memory_bytes)), ""


def this_calibration() -> FoundCalibration:
    """What was learnt of this machine; none that holds, and why."""
    from sartor.machine.calibration_file import find_calibration
    from sartor.machine.device import this_machine
    from sartor.measure.probe import runtime_versions

    return find_calibration(this_machine(), runtime_versions())


def file_bytes(reference: str, graph: Graph) -> float:
    """Bytes of a model's ONNX file; where it is no file yet, those of its weights."""
    path = Path(reference).expanduser()
    return float(path.stat().st_size if path.is_file() and path.suffix == ".onnx" else graph.weight_bytes)


def _language_model(folder: Path) -> Transformer | None:
    """A folder as a language model where its config is enough: it generates, or brings no weights.

    An encoder with weights is exported, which shows its operators.
    """
    weights = any(folder.glob("*.safetensors"))
    try:
        found = read_transformer(folder)
    except ModelError:
        if weights:  # a model of pictures or sounds, say: the model room knows
            return None
        raise
    return found if found.generates or not weights else None


def _exported(reference: str, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]) -> Graph:
    from sartor.cost.capture import capture, free_sizes
    from sartor.model.open import open_model
    from sartor.train.job import export_untrained

    model = open_model(reference, Path())
    if model.kind == "sklearn":
        raise ModelError(
            f"{reference} has no operators before it is fitted",
            "a file that ends in .onnx, or another kind of model",
            "fit it, and inspect the model.onnx in the bundle's variants",
        )
    with tempfile.TemporaryDirectory(prefix="sartor-inspect-") as folder:
        rows, file = _made_up(model, sizes, shapes), Path(folder) / "model.onnx"
        columns = model.columns or _COLUMNS
        export_untrained(reference, Path(), rows.save(Path(folder) / "rows"), columns, 0, 1, file)
        free = {size for shape in free_sizes(file).values() for size in shape or () if isinstance(size, str)}
        usual = {"length": _TOKENS} if "length" in free else {}
        return capture(file, {**usual, **sizes}, shapes)


def _made_up(model: Model, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]) -> Prepared:
    """Rows with nothing in them but the right shape.

    Raises:
        ModelError: the shape of a row is not known.
    """
    from sartor.steps.prepared import Prepared

    if _reads_text(model) and not shapes:
        return _made_up_text(model.inputs or _TEXT[:2], max(2, sizes.get("length", _TOKENS)))
    rows = {name: shape[1:] for name, shape in shapes.items()} or _usual_rows(model)
    return Prepared({name: _numbers(name, row) for name, row in rows.items()})


def _reads_text(model: Model) -> bool:
    if model.kind == "zoo":
        return _zoo_needs(model) not in _ZOO_ROWS
    return model.kind == "huggingface" and _TEXT[0] in model.inputs


def _zoo_needs(model: Model) -> str:
    from sartor.model.zoo import architecture_of

    return architecture_of(model.reference).needs


def _made_up_text(names: tuple[str, ...], length: int) -> Prepared:
    import numpy as np

    from sartor.steps.prepared import Prepared

    lengths = np.full(_ROWS, length)
    lengths[1:] = max(1, length - 1)  # so that the length stays free
    return Prepared({name: _numbers(name, (length,)) for name in names}, lengths, dict.fromkeys(names, 0.0))


def _usual_rows(model: Model) -> dict[str, tuple[int, ...]]:
    from sartor.steps.prepared import SOLE

    if model.kind == "zoo":
        return {SOLE: _ZOO_ROWS[_zoo_needs(model)]}
    name = model.inputs[0] if model.inputs else "input"
    row = _declared_row(model.steps or ())
    if row is None:
        asked = f"--input {name}=1x3x224x224"
        raise ModelError(f"the shape of {model.reference}'s rows is not known", "a whole shape with --input", asked)
    return {name: row}


def _declared_row(steps: Iterable[Mapping[str, Any]]) -> tuple[int, ...] | None:
    """The shape of a row after the steps that a model declares: pictures of the last size, clips of the last length."""
    row: tuple[int, ...] | None = None
    for step in steps:
        if "resize" in step:
            resize = Resize.read(step["resize"])
            row = (_CHANNELS, resize.height, resize.width)
        elif "center_crop" in step:
            row = (_CHANNELS, *step["center_crop"])
        elif "fit_length" in step:
            row = (step["fit_length"]["samples"],)
        elif "log_mel" in step or "filter_bank" in step:
            return None
    return row


def _numbers(name: str, row: tuple[int, ...]) -> Any:
    import numpy as np

    if name in _TEXT:
        return np.full((_ROWS, *row), int(name != "token_type_ids"), dtype=np.int64)
    return np.random.default_rng(0).normal(size=(_ROWS, *row)).astype(np.float32)
