"""Sartor: the model decides the compute.

The public names are loaded when first used, so that `import sartor` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Need": "sartor.need",
    "read_need": "sartor.need",
    "open_model": "sartor.model.open",
    "fit": "sartor.fit.fit",
    "compress": "sartor.compress.alone",
    "Recipe": "sartor.plan.recipe",
    "CompressionStep": "sartor.plan.recipe",
    "Bundle": "sartor.bundle.bundle",
    "SartorError": "sartor.errors",
}
__all__ = [
    "Bundle",
    "CompressionStep",
    "Need",
    "Recipe",
    "SartorError",
    "__version__",
    "compress",
    "fit",
    "open_model",
    "read_need",
]

if TYPE_CHECKING:
    from sartor.bundle.bundle import Bundle
    from sartor.compress.alone import compress
    from sartor.errors import SartorError
    from sartor.fit.fit import fit
    from sartor.model.open import open_model
    from sartor.need import Need, read_need
    from sartor.plan.recipe import CompressionStep, Recipe


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sartor' has no attribute {name!r}")


class _Package(ModuleType):
    """Keeps `sartor.fit` and `sartor.compress` the functions: importing the rooms of those names would replace them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
