"""Load and call the user's own code, so that what goes wrong in it is shown as theirs, not ours."""

from __future__ import annotations

import importlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sartor.errors import InputError, UserCodeError, nearest

_TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_OURS = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "purelib", "platlib")})


def is_callable_target(text: str) -> bool:
    """Whether `text` looks like `package.module:name`."""
    return _TARGET.match(text) is not None


def load_callable(target: str, base: Path) -> Callable[..., Any]:
    """The callable `package.module:name`; the current folder and `base` can be imported from.

    Both folders stay on `sys.path`, since the user's code may import its neighbours when it is called.

    Raises:
        InputError: not of that form, no such module, no such name in it, or not a callable.
        UserCodeError: the module raised while it was imported.
    """
    if not is_callable_target(target):
        raise InputError(f"`{target}`", "package.module:name", "such as mypackage.data:load")
    module_name, name = target.split(":")
    _make_importable(base)
    module = _import(module_name, target, base)
    found = getattr(module, name, None)
    if not callable(found):
        what = "is not callable" if hasattr(module, name) else f"does not exist in {module_name}"
        public = [word for word in vars(module) if callable(getattr(module, word)) and not word.startswith("_")]
        raise InputError(f"`{target}`: `{name}` {what}", ", ".join(public) or "a function", nearest(name, public))
    return found  # type: ignore[no-any-return]


def call_user(target: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call the user's function.

    Raises:
        UserCodeError: it raised; the trace holds the frames of the user's code only.
    """
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises is shown as theirs
        raise UserCodeError(target, _trace(error)) from None


def _make_importable(base: Path) -> None:
    for folder in (str(base.resolve()), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _import(module_name: str, target: str, base: Path) -> ModuleType:
    # A module written a moment ago is otherwise missed by the importer's cached folder listing.
    if module_name not in sys.modules:
        importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise _no_module(target, missing, base) from None
        raise UserCodeError(target, _trace(error)) from None
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything while imported
        raise UserCodeError(target, _trace(error)) from None


def _no_module(target: str, missing: str, base: Path) -> InputError:
    folders = {Path.cwd(), base.resolve()}
    files = [path.stem for folder in sorted(folders) if folder.is_dir() for path in folder.glob("*.py")]
    return InputError(
        f"`{target}`: there is no module `{missing}`",
        f"a module that can be imported from {' or '.join(sorted(map(str, folders)))}, or one installed",
        nearest(missing, files) or "run in the folder that holds it",
    )


def _trace(error: BaseException) -> str:
    """The traceback without our frames, the importer's, and those of libraries that the user called."""
    shown = traceback.TracebackException.from_exception(error)
    outside = [frame for frame in shown.stack if not _is_ours(frame.filename)]
    users = [frame for frame in outside if not frame.filename.startswith(_LIBRARIES)]
    # A user's package may itself be installed among the libraries.
    shown.stack = traceback.StackSummary.from_list(users or outside)
    return "".join(shown.format(chain=False))


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib"))
