"""Open any model reference: what is it, and is it whole? Building and training come later."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sartor.errors import ModelError, nearest
from sartor.model.refused import refuse_pickle
from sartor.model.values import Model
from sartor.model.zoo import ARCHITECTURES, check

_ZOO = re.compile(r"^zoo:\s*(?P<name>[\w.-]*)\s*(?:\((?P<knobs>.*)\))?\s*$")
_CALLABLE = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_ALLOWED = (
    "zoo:NAME, sklearn:CLASS, a path that ends in .onnx, .pt2 or .keras, a Hugging Face folder, "
    "or package.module:callable"
)
_SUFFIXES = {".keras": "keras", ".pt2": "exported-program", ".onnx": "onnx"}
LONGEST_NAME = 40  # characters; names become parts of file names


def open_model(reference: str, base: Path) -> Model:
    """Read a model reference of a Need; files are checked, callables are not called yet.

    Args:
        reference: `zoo:cnn(width=32)`, `path/to/model.onnx`, a Hugging Face folder, `model.pt2`, `model.keras`,
            `sklearn:CLASS` or `package.module:callable`.
        base: the folder that paths and modules are relative to (that of the Need file).

    Raises:
        ModelError: unknown kind, zoo name or knob; a file or folder that is missing, damaged, not supported or
            could run code when it is read; no such module.
        MissingExtraError: a library that this kind of model needs is not installed.
    """
    reference = reference.strip()
    return _OPENERS[_kind(reference, base)](reference, base)


def slug(text: str) -> str:
    """A short name that is safe as part of a file name.

    >>> slug("Café net (v2)")
    'Caf-net-v2'
    """
    safe = re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:LONGEST_NAME].rstrip("-.")
    return safe or "model"


def _kind(reference: str, base: Path) -> str:
    if reference.startswith("zoo:"):
        return "zoo"
    if reference.startswith("sklearn:"):
        return "sklearn"
    refuse_pickle(reference)
    path = base / Path(reference).expanduser()
    if (path / "config.json").is_file():
        return "huggingface"
    if Path(reference).suffix.lower() in _SUFFIXES:
        return _SUFFIXES[Path(reference).suffix.lower()]
    if _CALLABLE.match(reference):
        return "torch"
    near = nearest(reference.partition("(")[0], ARCHITECTURES)
    hint = f"did you mean `zoo:{near.split('`')[1]}`?" if near else ""
    if path.is_dir():
        hint = "a Hugging Face folder has a config.json; this folder has none"
    elif path.exists():
        hint = "export the model to ONNX first, or name a callable that returns it"
    raise ModelError(f"`{reference}` is no model that can be opened", _ALLOWED, hint)


def _open_zoo(reference: str, base: Path) -> Model:
    match = _ZOO.match(reference)
    if match is None:
        raise ModelError(f"`{reference}`", "zoo:NAME or zoo:NAME(knob=number, ...)", "zoo:cnn(width=32)")
    architecture = match["name"]
    given = _read_knobs(reference, match["knobs"] or "")
    settings = check(architecture, given)
    canonical = f"zoo:{architecture}({', '.join(f'{knob}={value}' for knob, value in settings.items())})"
    name = "-".join([architecture, *(f"{knob}{value}" for knob, value in sorted(given.items()))])
    knobs = tuple(settings.items())
    return Model(name, reference, "zoo", True, _hash_text(canonical), knobs=knobs)


def _read_knobs(reference: str, text: str) -> dict[str, int]:
    knobs: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        knob, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not re.fullmatch(r"[+-]?\d+", value):
            raise ModelError(f"`{part}` in `{reference}`", "knob=whole number", "zoo:cnn(width=32, depth=3)")
        if knob in knobs:
            raise ModelError(f"`{knob}` twice in `{reference}`", "each knob once")
        knobs[knob] = int(value)
    return knobs


def _open_onnx(reference: str, base: Path) -> Model:
    from sartor.model.onnx import content_hash, validate

    path = (base / Path(reference).expanduser()).resolve()
    _check_there(reference, path)
    validate(path)
    return Model(slug(path.stem), reference, "onnx", False, content_hash(path), path=path)


def _open_huggingface(reference: str, base: Path) -> Model:
    from sartor.model.huggingface import open_huggingface

    return open_huggingface(reference, base)


def _open_exported_program(reference: str, base: Path) -> Model:
    from sartor.model.exported_program import open_exported_program

    return open_exported_program(reference, base)


def _open_sklearn(reference: str, base: Path) -> Model:
    from sartor.model.sklearn import open_sklearn

    return open_sklearn(reference, base)


def _open_keras(reference: str, base: Path) -> Model:
    from sartor.model.keras import open_keras

    return open_keras(reference, base)


def _check_there(reference: str, path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        raise ModelError(f"`{reference}` is a folder", "an ONNX file")
    beside = [found.name for found in path.parent.glob("*.onnx")] if path.parent.is_dir() else []
    raise ModelError(
        f"no file `{reference}` (looked for {path})",
        "the path of an ONNX file, relative to the Need file",
        nearest(path.name, beside),
    )


def _open_callable(reference: str, base: Path) -> Model:
    check_module(reference, base)
    module, _, attribute = reference.partition(":")
    last = module.rpartition(".")[2]
    return Model(slug(f"{last}-{attribute}"), reference, "torch", False, code_hash(reference, base))


def check_module(reference: str, base: Path) -> None:
    """Whether the outermost module of `package.module:callable` can be found; nothing of it is run.

    Raises:
        ModelError: it cannot.
    """
    from sartor.model.torch import importable

    top = reference.partition(":")[0].partition(".")[0]
    with importable(base):
        # Only the outermost name is looked up: anything below it would run the user's code here.
        found = top in sys.modules or importlib.util.find_spec(top) is not None
    if not found:
        beside = [path.stem for path in base.glob("*.py")]
        beside += [path.parent.name for path in base.glob("*/__init__.py")]
        raise ModelError(
            f"no Python module `{top}` (for {reference})",
            f"a module in {base}, in the working directory or installed",
            nearest(top, beside),
        )


def code_hash(target: str, base: Path) -> str:
    """Hash of `package.module:name` and of the source files of its outermost module or package.

    Code that those files import from elsewhere, or files that they read, do not count.
    """
    from sartor.model.torch import importable

    top = target.partition(":")[0].partition(".")[0]
    with importable(base):
        spec = importlib.util.find_spec(top)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    if spec and spec.origin and not folders:
        files = [Path(spec.origin)]
    digest = hashlib.sha256(target.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_OPENERS: Mapping[str, Callable[[str, Path], Model]] = {
    "zoo": _open_zoo,
    "onnx": _open_onnx,
    "torch": _open_callable,
    "sklearn": _open_sklearn,
    "keras": _open_keras,
    "huggingface": _open_huggingface,
    "exported-program": _open_exported_program,
}
