"""Models that are built by torch: the zoo, and callables of the user that return a module."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sartor.errors import MissingExtraError, ModelError, UserCodeError, nearest
from sartor.model import zoo
from sartor.model.values import Model

if TYPE_CHECKING:
    from torch import nn

    from sartor.steps.prepared import Prepared

_HERE = str(Path(__file__).parents[1])
_INSTALL = "pip install 'sartor[torch]'"


def require_torch(needed_for: str) -> None:
    """Raise when torch is not installed.

    Raises:
        MissingExtraError: with the install command.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("torch", needed_for, _INSTALL)


def build_module(model: Model, example: Prepared, outputs: int, base: Path) -> nn.Module:
    """The module of a zoo model, of a Hugging Face folder or of the user's callable.

    A callable whose signature has `classes` (or takes any keyword) is given `outputs`. One that has `input_shape`
    is given the shape of one row without the batch, or a dictionary of shapes where rows have several arrays.

    Args:
        model: what was opened.
        example: prepared rows such as the module has to take.
        outputs: classes, or values of a regression.
        base: the folder of the Need.

    Raises:
        ModelError: a model that no torch module is built for, a callable that is missing or returns no module,
            a folder that transformers cannot load, data that does not fit.
        MissingExtraError: torch or transformers is not installed.
        UserCodeError: the user's code raised.
    """
    require_torch(model.reference)
    if model.kind == "zoo":
        architecture = model.reference.removeprefix("zoo:").partition("(")[0].strip()
        return zoo.build(architecture, example, outputs, **dict(model.knobs))
    if model.kind == "torch":
        return _build_from_callable(model.reference, example, outputs, base)
    if model.kind == "huggingface":
        from sartor.model.huggingface import build_huggingface

        return build_huggingface(model, outputs)
    raise ModelError(
        f"{model.reference} is taken as it is, not built by torch",
        "zoo:..., a Hugging Face folder or package.module:callable",
    )


def load_builder(target: str, base: Path, returns: str = "a torch module") -> Callable[..., Any]:
    """Import `package.module:callable`; the working directory and `base` are importable.

    Args:
        target: `package.module:callable`.
        base: the folder of the Need.
        returns: what the callable is expected to return, for the error.

    Raises:
        ModelError: no such module or attribute, or it cannot be called.
        UserCodeError: the module raised while it was imported.
    """
    module_name, _, attribute = target.partition(":")
    with importable(base):
        module = _import(module_name, target)
    found = getattr(module, attribute, None)
    if not callable(found):
        fault = "has nothing named" if found is None else "cannot call"
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise ModelError(
            f"{module_name} {fault} `{attribute}`",
            f"a callable that returns {returns}",
            nearest(attribute, names),
        )
    builder: Callable[..., Any] = found
    return builder


def call_builder(target: str, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Call the user's code.

    Raises:
        UserCodeError: it raised; the trace holds the user's frames only.
        MissingExtraError: it needs torch, which is not installed.
    """
    try:
        return function(*args, **keywords)
    except Exception as error:  # noqa: BLE001 - anything the user's code may raise
        raise _user_error(target, error) from None


@contextmanager
def importable(base: Path) -> Iterator[None]:
    """Let the user's modules be imported from the working directory and from `base`."""
    added = [entry for entry in (str(Path.cwd()), str(base.resolve())) if entry not in sys.path]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for entry in added:
            if entry in sys.path:
                sys.path.remove(entry)


def _build_from_callable(target: str, example: Prepared, outputs: int, base: Path) -> nn.Module:
    from torch import nn

    builder = load_builder(target, base)
    shapes = example.row_shapes
    offered = {"input_shape": next(iter(shapes.values())) if len(shapes) == 1 else shapes, "classes": outputs}
    with importable(base):
        built = call_builder(target, builder, **_accepted(builder, offered))
    if not isinstance(built, nn.Module):
        hint = f"write sklearn:{target}" if hasattr(built, "get_params") else "return the module itself"
        raise ModelError(f"{target} returned {type(built).__name__}", "a torch.nn.Module", hint)
    return built


def _accepted(builder: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """The offered keywords that the callable's signature has room for."""
    try:
        parameters = inspect.signature(builder).parameters
    except ValueError:  # some callables written in C have no signature
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return offered
    return {name: value for name, value in offered.items() if name in parameters}


def _import(module_name: str, target: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ModelError(
                f"no Python module `{missing}` (for {target})",
                "a module beside the Need, in the working directory or installed",
            ) from None
        raise _user_error(target, error) from None
    except Exception as error:  # noqa: BLE001 - anything the user's module may raise
        raise _user_error(target, error) from None


def _user_error(target: str, error: Exception) -> Exception:
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "torch":
        return MissingExtraError("torch", target, _INSTALL)
    summary = traceback.TracebackException.from_exception(error)
    frames = [frame for frame in summary.stack if _is_users(frame.filename)]
    summary.stack = traceback.StackSummary.from_list(frames)
    # What it was raised from is often deep inside a library; the last error says what went wrong.
    summary.__cause__ = summary.__context__ = None
    return UserCodeError(target, "".join(summary.format()))


def _is_users(filename: str) -> bool:
    libraries = (_HERE, "<frozen", str(Path(importlib.__file__).parent))
    return not filename.startswith(libraries) and "site-packages" not in filename
