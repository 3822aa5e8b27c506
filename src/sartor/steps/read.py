"""Read declared steps: one table, name -> step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sartor.errors import InputError, nearest
from sartor.steps.arithmetic import Normalise, Scale, Standardise
from sartor.steps.audio import DecodeAudio, FitLength, NormaliseRows
from sartor.steps.base import Step
from sartor.steps.filter_bank import FilterBank
from sartor.steps.images import DecodeImage
from sartor.steps.resize import CenterCrop, Resize, ResizeShortest
from sartor.steps.shapes import Reshape
from sartor.steps.spectrogram import LogMel
from sartor.steps.text import Tokenise

_READERS: dict[str, Callable[[Any], Step]] = {
    "center_crop": CenterCrop.read,
    "decode_audio": DecodeAudio.read,
    "decode_image": DecodeImage.read,
    "filter_bank": FilterBank.read,
    "fit_length": FitLength.read,
    "log_mel": LogMel.read,
    "normalise": Normalise.read,
    "normalise_rows": NormaliseRows.read,
    "reshape": Reshape.read,
    "resize": Resize.read,
    "resize_shortest": ResizeShortest.read,
    "scale": Scale.read,
    "standardise": Standardise.read,
    "tokenise": Tokenise.read,
}
# One spelling is the house's; the other is accepted, since nobody should trip over it.
_SPELLINGS = {
    "centre_crop": "center_crop",
    "normalize": "normalise",
    "normalize_rows": "normalise_rows",
    "standardize": "standardise",
    "tokenize": "tokenise",
}


def read_steps(specs: Sequence[Mapping[str, Any]], base: Path | None = None) -> tuple[Step, ...]:
    """Steps from the form of the Need, `[{resize: [224, 224]}, {scale: 0.00392}]`.

    Args:
        specs: one mapping a step, its name to its settings.
        base: folder that the files of the steps are relative to; None leaves them as they stand.

    Raises:
        InputError: an unknown step (the nearest name is in the hint), or settings that a step does not take.
    """
    steps = tuple(_read_step(spec) for spec in specs)
    return steps if base is None else tuple(_based(step, base) for step in steps)


def step_files(specs: Sequence[Mapping[str, Any]]) -> tuple[Path, ...]:
    """The files that the steps refer to, each once, as they are written.

    Raises:
        InputError: as `read_steps`.
    """
    files = [file for step in read_steps(specs) if isinstance(step, Tokenise) for file in step.files]
    return tuple(dict.fromkeys(files))


def with_files(specs: Sequence[Mapping[str, Any]], moved: Mapping[Path, str]) -> tuple[dict[str, Any], ...]:
    """The same steps in plain form, on files that lie elsewhere: what `step_files` names -> where it is now.

    Raises:
        InputError: as `read_steps`.
    """
    steps = read_steps(specs)
    return tuple((step.with_files(moved) if isinstance(step, Tokenise) else step).as_dict() for step in steps)


def _based(step: Step, base: Path) -> Step:
    if not isinstance(step, Tokenise):
        return step
    return step.with_files({file: str(base / file) for file in step.files})  # an absolute path stays as it is


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
