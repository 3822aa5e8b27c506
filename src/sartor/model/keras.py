"""Keras 3 files (`.keras`), run by Keras on its torch backend and written as ONNX.

A file is an archive of a configuration (which layers, how they are connected) and of weights. Only Keras' own
layers are opened, since everything else is Python code that the file brings or asks for.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import MissingExtraError, ModelError, nearest
from sartor.model.agreement import Arrays, check_batches, compare
from sartor.model.checkpoint import hash_files
from sartor.model.torch import require_torch
from sartor.model.values import Dimension, ExportedModel, Model, TensorSpec
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from torch import nn

_INSTALL = "pip install 'sartor[keras]'"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_ALLOWED = "a model that was saved with model.save('model.keras') by Keras 3"
_LARGEST_CONFIG = 100_000_000  # bytes; those of the largest published models have some hundred thousand
# Layers whose configuration holds code, or that load it from elsewhere.
_CODE = {"Lambda", "__lambda__", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"}


def open_keras(reference: str, base: Path) -> Model:
    """Check a `.keras` file without Keras: whole, and made of Keras' own layers.

    Raises:
        ModelError: missing or damaged file, one of an older Keras, a Lambda or custom layer, or unknown inputs.
    """
    from sartor.model.open import slug

    path = (base / Path(reference).expanduser()).resolve()
    if not path.is_file():
        beside = [found.name for found in path.parent.glob("*.keras")] if path.parent.is_dir() else []
        raise ModelError(
            f"no file `{reference}` (looked for {path})",
            "the path of a .keras file, relative to the Need file",
            nearest(path.name, beside),
        )
    names = tuple(spec.name for spec in keras_inputs(path))
    return Model(slug(path.stem), reference, "keras", False, hash_files([path]), path=path, inputs=names)


def keras_inputs(path: Path) -> tuple[TensorSpec, ...]:
    """What a `.keras` file takes, read from its configuration; a free dimension carries a name.

    Raises:
        ModelError: as `open_keras`.
    """
    config = _configuration(path)
    _refuse_code(path, config)
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(layers, list):
        raise ModelError(f"{path} is a {config.get('class_name')}", "a Sequential or functional model")
    taken = [layer["config"] for layer in layers if layer.get("class_name") == "InputLayer"]
    order = [name for name, _, _ in _histories(inner.get("input_layers"))]
    known = {layer["name"]: layer for layer in taken}
    if order and set(order) <= set(known):
        return tuple(_spec(name, known[name].get("batch_shape"), known[name].get("dtype")) for name in order)
    shape = inner.get("build_input_shape")
    if len(taken) == 1:
        return (_spec(taken[0]["name"], taken[0].get("batch_shape"), taken[0].get("dtype")),)
    if not isinstance(shape, list):
        raise ModelError(f"{path} was saved before it knew its inputs", "a model that has been called or built once")
    return (_spec("input", shape, "float32"),)


def convert(model: Model, inputs: Prepared, to: Path) -> ExportedModel:
    """Write a Keras model as ONNX with a free batch, proved against `predict` on real and made-up rows.

    Inputs and outputs have the names of Keras' layers; what is channels-last stays so.

    Args:
        model: what `open_keras` read.
        inputs: prepared rows; the first few are used.
        to: the file to write.

    Raises:
        ModelError: the rows do not fit, Keras cannot load the file or run on torch, or the file differs.
        MissingExtraError: Keras or torch is not installed.
    """
    assert model.path is not None
    _check_rows(model.reference, keras_inputs(model.path), inputs)
    with _quiet_keras():
        return _convert(model, model.path, inputs, to)


def _convert(model: Model, path: Path, inputs: Prepared, to: Path) -> ExportedModel:
    from sartor.model.export import export_torch

    source = _load(model.reference, path)
    names = _output_names(source)
    exported = export_torch(_as_module(source, model.inputs, names), inputs, to)

    def predict(batch: Prepared) -> Arrays:
        return _predict(source, model.inputs, names, batch)

    try:
        compare(to, check_batches(inputs), predict)
    except ModelError:
        to.unlink()
        raise
    return exported


@contextmanager
def _quiet_keras() -> Iterator[None]:
    """Silence what Keras 3.15 does to numpy 2 whenever it turns its variables into arrays."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        yield


def _configuration(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [part for part in (_CONFIG, _WEIGHTS) if part not in archive.namelist()]
            if missing:
                raise ModelError(f"{path} has no {missing[0]}", _ALLOWED, "save it again as one .keras file")
            if archive.getinfo(_CONFIG).file_size > _LARGEST_CONFIG:
                raise ModelError(f"{path} has a {_CONFIG} of more than {_LARGEST_CONFIG:,} bytes", _ALLOWED)
            config = json.loads(archive.read(_CONFIG))
    except (zipfile.BadZipFile, ValueError, EOFError):
        raise ModelError(f"{path} is truncated or no Keras 3 file", _ALLOWED, "save or download it again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path} has a {_CONFIG} that describes no model", _ALLOWED)
    return config


def _refuse_code(path: Path, config: dict[str, Any]) -> None:
    """Raises: ModelError naming the first object that is not Keras' own."""
    for item in _objects(config):
        name, module = str(item["class_name"]), item.get("module")
        if name in _CODE:
            raise ModelError(
                f"{path} holds a {name.strip('_')}: opening it would execute code out of the file",
                "Keras' own layers",
                "write it with keras.ops or built-in layers, or export the model to ONNX where it was trained",
            )
        own = module is None and not item.get("registered_name")
        if not own and not str(module).startswith(("keras.", "keras_")) and module not in ("keras", "builtins"):
            raise ModelError(
                f"{path} needs `{item.get('registered_name') or name}`, which is no part of Keras",
                "Keras' own layers and functions",
                "export the model to ONNX where its code is: model.export('model.onnx', format='onnx')",
            )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every serialised object in a configuration."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _histories(value: Any) -> Iterator[list[Any]]:
    """The [layer, node, tensor] triples, however deeply they are nested."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _histories(part)


def _spec(name: str, shape: Any, dtype: Any) -> TensorSpec:
    sizes = list(shape or [None])[1:]
    rest: list[Dimension] = [size if isinstance(size, int) else f"{name}_{n}" for n, size in enumerate(sizes, start=1)]
    return TensorSpec(name, dtype if isinstance(dtype, str) else "float32", ("batch", *rest))


def _check_rows(reference: str, specs: tuple[TensorSpec, ...], rows: Prepared) -> None:
    for spec in specs:
        if spec.name not in rows.arrays:
            raise ModelError(
                f"`{reference}` takes `{spec.name}`, the rows have {', '.join(rows.arrays)}", "rows for every input"
            )
        came, wanted = rows.arrays[spec.name].shape[1:], spec.shape[1:]
        if len(came) != len(wanted) or any(isinstance(w, int) and w != c for c, w in zip(came, wanted, strict=True)):
            swapped = len(came) == 3 and (*came[1:], came[0]) == wanted
            raise ModelError(
                f"rows of shape {_times(came)} for `{spec.name}`",
                f"`{reference}` takes rows of shape {_times(wanted)}",
                "it takes channels last: transpose the pictures, or begin the model with Permute((2, 3, 1))"
                if swapped
                else "add steps to `preprocess`, such as resize or reshape",
            )


def _times(shape: tuple[Dimension, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _load(reference: str, path: Path) -> Any:
    require_torch(reference)
    # Keras reads its backend once, when it is first imported; its own default is one that we do not install.
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    except ModuleNotFoundError:
        raise MissingExtraError("keras", reference, _INSTALL) from None
    if keras.backend.backend() != "torch":
        raise ModelError(
            f"Keras runs on {keras.backend.backend()} in this process", "Keras on torch, set before import"
        )
    try:
        return keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:  # noqa: BLE001 - it raises whatever its layers raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"Keras cannot load {path}: {reason}", _ALLOWED, "save it again with Keras 3") from None


def _output_names(source: Any) -> tuple[str, ...]:
    """Names of the outputs, in order; `output` when there is one."""
    from sartor.model.outputs import OUTPUT

    if len(source.outputs) == 1:
        return (OUTPUT,)
    names = getattr(source, "output_names", None) or [f"{OUTPUT}_{n}" for n in range(len(source.outputs))]
    return tuple(str(name) for name in names)


def _as_module(source: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> nn.Module:
    """A torch module with the inputs as keywords and a dictionary of outputs. (Keras' own takes a nest.)"""
    import torch

    class KerasModule(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.source = source

        def forward(self, **rows: Any) -> Mapping[str, Any]:
            return _named(outputs, self.source(_nested(source, inputs, rows), training=False))

    return KerasModule()


def _predict(source: Any, inputs: tuple[str, ...], outputs: tuple[str, ...], batch: Prepared) -> Arrays:
    arrays = {name: np.array(array) for name, array in batch.arrays.items()}
    predicted = source.predict(_nested(source, inputs, arrays), verbose=0)
    return {name: np.asarray(array) for name, array in _named(outputs, predicted).items()}


def _nested(source: Any, inputs: tuple[str, ...], rows: Mapping[str, Any]) -> Any:
    """The rows in the nest (one, a list, a dictionary) that the model was made with."""
    import keras

    if len(inputs) == 1 and not isinstance(getattr(source, "_inputs_struct", None), (dict, list, tuple)):
        return rows[inputs[0]]
    return keras.tree.pack_sequence_as(source._inputs_struct, [rows[name] for name in inputs])


def _named(outputs: tuple[str, ...], nest: Any) -> dict[str, Any]:
    import keras

    return dict(zip(outputs, keras.tree.flatten(nest), strict=True))
