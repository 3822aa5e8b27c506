"""How far back the layers of a model look: by type, and as its config declares it."""

from __future__ import annotations

from typing import Any

from sartor.cost.transformer.layers import Windows
from sartor.cost.transformer.settings import Settings


def declared(otherwise: Windows, key: str = "sliding_window", both_sides: bool = False) -> Windows:
    """Windows from `layer_types`, else as the type has them."""

    def windows(settings: Settings) -> tuple[int | None, ...]:
        kinds = settings.optional("layer_types")
        if kinds is None:
            return otherwise(settings)
        check_kinds(settings, kinds, ("full_attention", "sliding_attention"))
        size = _window(settings, key, both_sides)
        return tuple(size if kind == "sliding_attention" else None for kind in kinds)

    return windows


def check_kinds(settings: Settings, kinds: Any, known: tuple[str, ...]) -> None:
    """Refuses `layer_types` that are too few or of a kind that the type does not have.

    Raises:
        ModelError: so.
    """
    count = settings.number("num_hidden_layers")
    if not isinstance(kinds, list | tuple) or len(kinds) < count:
        raise settings.refuse(f"has `layer_types: {kinds!r}`", f"a list with one for each of {count} layers")
    other = [kind for kind in kinds if kind not in known]
    if other:
        raise settings.refuse(f"has layers of type {other[0]!r}", " or ".join(known))


def _window(settings: Settings, key: str, both_sides: bool) -> int | None:
    """Keys that a query sees; where it looks both ways, half of what the key says on each side and itself."""
    if not settings.optional(key):
        return None
    return settings.number(key) // 2 * 2 + 1 if both_sides else settings.number(key)


def everywhere(settings: Settings) -> tuple[int | None, ...]:
    """A window in every layer where `sliding_window` gives one (Mistral 7B, arXiv:2310.06825)."""
    return (_window(settings, "sliding_window", False),) * settings.number("num_hidden_layers")


def asked(settings: Settings) -> tuple[int | None, ...]:
    """Windows in the upper layers, and only if `use_sliding_window` says so (Qwen2)."""
    count, first = settings.number("num_hidden_layers"), settings.number("max_window_layers", 0, least=0)
    window = _window(settings, "sliding_window", False) if settings.truth("use_sliding_window") else None
    return tuple(window if layer >= first else None for layer in range(count))


def every(
    full: int, pattern: str = "", first: int = 1, key: str = "sliding_window", both_sides: bool = False
) -> Windows:
    """Every `full`-th layer sees everything (`pattern` is the key that may say so), the others a window."""

    def windows(settings: Settings) -> tuple[int | None, ...]:
        period = settings.number(pattern, full) if pattern else full
        size = _window(settings, key, both_sides)
        layers = range(first, settings.number("num_hidden_layers") + first)
        return tuple(size if layer % period else None for layer in layers)

    return declared(windows, key, both_sides)


def without_rotary(settings: Settings) -> tuple[int | None, ...]:
    """Windows, if asked for, in the layers without rotary positions (SmolLM3)."""
    size = _window(settings, "sliding_window", False) if settings.truth("use_sliding_window") else None
    period = settings.number("no_rope_layer_interval")
    return tuple(None if layer % period else size for layer in range(1, settings.number("num_hidden_layers") + 1))
