"""Read declared steps: one table, name -> step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sartor.errors import InputError, nearest
from sartor.steps.arithmetic import Normalise, Scale, Standardise
from sartor.steps.base import Step
from sartor.steps.images import DecodeImage, Resize
from sartor.steps.shapes import Reshape

_READERS: dict[str, Callable[[Any], Step]] = {
    "decode_image": DecodeImage.read,
    "normalise": Normalise.read,
    "reshape": Reshape.read,
    "resize": Resize.read,
    "scale": Scale.read,
    "standardise": Standardise.read,
}
# British spelling is the house's; the American one is accepted, since nobody should trip over it.
_SPELLINGS = {"normalize": "normalise", "standardize": "standardise"}


def read_steps(specs: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Steps from the form of the Need, `[{resize: [224, 224]}, {scale: 0.00392}]`.

    Raises:
        InputError: an unknown step (the nearest name is in the hint), or settings that a step does not take.
    """
    return tuple(_read_step(spec) for spec in specs)


def _read_step(spec: Mapping[str, Any]) -> Step:
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise InputError(
            f"step {spec!r}",
            "one name with its settings",
            "each step is one list item: `- resize: [224, 224]`",
        )
    ((name, settings),) = spec.items()
    name = _SPELLINGS.get(name, name)
    if name not in _READERS:
        raise InputError(f"unknown step `{name}`", ", ".join(_READERS), nearest(str(name), _READERS))
    return _READERS[name](settings)
