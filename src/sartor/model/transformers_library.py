"""The installed transformers: is it there, what does it have, and how is it kept quiet?

What it has is read from its source: to import it imports torch, which takes seconds.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sartor.errors import MissingExtraError

_AUTO = "models/auto/modeling_auto.py"
_OFFSET = ("create_position_ids_from_input_ids", "padding_idx + 1")


def require_transformers(needed_for: str) -> None:
    """Raise when transformers is not installed.

    Raises:
        MissingExtraError: with the install command.
    """
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtraError("transformers", needed_for, "pip install 'sartor[huggingface]'")


@cache
def auto_classes(table: str) -> dict[str, Any]:
    """One of the tables model type -> class names of `transformers.models.auto.modeling_auto`.

    Raises:
        KeyError: no such table.
    """
    for node in _tree().body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if table in names and node.value.args:
                return dict(ast.literal_eval(node.value.args[0]))
    raise KeyError(table)


@cache
def positions_start_after_padding(model_type: str) -> bool:
    """Whether the model counts positions from one above its padding number, as RoBERTa does.

    Of its `max_position_embeddings`, padding number + 1 are then never used.
    """
    folder = _home() / "models" / model_type.replace("-", "_")
    sources = folder.glob("modeling_*.py")
    return any(mark in source.read_text(encoding="utf-8") for source in sources for mark in _OFFSET)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers, which tells of new heads and draws bars; what matters is checked and raised here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@cache
def _tree() -> ast.Module:
    return ast.parse((_home() / _AUTO).read_text(encoding="utf-8"))


def _home() -> Path:
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None  # a package with an __init__ file
    return Path(spec.origin).parent
