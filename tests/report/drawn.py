"""Pictures as the page draws them."""

from __future__ import annotations

from typing import Any


def with_colours(value: Any) -> Any:
    """A picture whose colours, names of CSS variables until the page draws, are colours."""
    if isinstance(value, dict):
        return {key: with_colours(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_colours(each) for each in value]
    return "#123456" if isinstance(value, str) and value.startswith("--") else value
