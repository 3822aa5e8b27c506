"""Runtimes by name. The library behind a name is imported when its first file is loaded."""

from __future__ import annotations

from collections.abc import Callable

from sartor.errors import InputError, nearest
from sartor.runtime.base import Runtime


def _onnxruntime() -> Runtime:
    from sartor.runtime.onnxruntime import OnnxRuntime

    return OnnxRuntime()


def _openvino() -> Runtime:
    from sartor.runtime.openvino import OpenVino

    return OpenVino()


RUNTIMES: dict[str, Callable[[], Runtime]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}


def open_runtime(name: str) -> Runtime:
    """The runtime called `name`.

    Raises:
        InputError: no such runtime; the hint names the nearest one.
    """
    if name not in RUNTIMES:
        raise InputError(f"unknown runtime `{name}`", ", ".join(RUNTIMES), nearest(name, RUNTIMES))
    return RUNTIMES[name]()
