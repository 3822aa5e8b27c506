"""A Recipe is what is done to a model's file: values only, nothing heavy is imported here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

# fmt: off
StepName = Literal[
    "none", "fused", "fp16-weights", "int8-dynamic", "int8-static", "int8-weights", "int4-weights",
    "prune", "low-rank", "zeros", "recover",
]
# fmt: on
Setting = str | int | float

# Steps that give another network in f32; the others say in which form a runtime stores it.
RESHAPING: tuple[StepName, ...] = ("prune", "low-rank", "zeros", "recover")
# How far a step takes the file from what the user gave: breaks ties, simpler wins.
_COMPLEXITY: dict[str, int] = {
    **{"none": 0, "fused": 1, "fp16-weights": 1, "int8-weights": 1, "int4-weights": 2},
    **{"int8-dynamic": 2, "int8-static": 3},
    **{"prune": 4, "low-rank": 4, "zeros": 4, "recover": 4},
}
_WORDS: dict[str, str] = {
    "none": "f32",
    "fused": "fused",
    "fp16-weights": "fp16 weights",
    "int8-dynamic": "int8 dynamic",
    "int8-static": "int8 static",
    "int8-weights": "int8 weights",
    "int4-weights": "int4 weights",
    "prune": "pruned",
    "low-rank": "low rank",
    "zeros": "zeros in weights",
    "recover": "recovered",
}


@dataclass(frozen=True)
class CompressionStep:
    """One step with its settings, such as `int8-static` with `calibration: entropy`.

    Attributes:
        keeps: layers that the step leaves in f32, by the names of their weights.

    Raises:
        ValueError: the name is no step.
    """

    name: StepName
    settings: tuple[tuple[str, Setting], ...] = ()
    keeps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in get_args(StepName):
            raise ValueError(f"`{self.name}` is no compression step; known: {', '.join(get_args(StepName))}")

    def setting(self, key: str, otherwise: Setting) -> Setting:
        """The setting named `key`, or `otherwise`."""
        return dict(self.settings).get(key, otherwise)

    @property
    def label(self) -> str:
        """The step in words: `int8 static (entropy)`, `int4 weights (group 64)`, `int8 static (1 layer in f32)`."""
        kept = [f"{len(self.keeps)} layer{'s' if len(self.keeps) > 1 else ''} in f32"] if self.keeps else []
        # A word says what it is, a number does not.
        said = [value if isinstance(value, str) else f"{key} {value}" for key, value in self.settings]
        values = ", ".join([*said, *kept])
        return f"{_WORDS[self.name]} ({values})" if values else _WORDS[self.name]

    @property
    def slug(self) -> str:
        """The label in letters that any file system takes; which layers are kept makes a difference."""
        which = hashlib.blake2b("\n".join(self.keeps).encode(), digest_size=3).hexdigest() if self.keeps else ""
        return re.sub(r"[^a-z0-9.]+", "-", f"{self.label} {which}".lower()).strip("-")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        kept = {"keeps": list(self.keeps)} if self.keeps else {}
        return {"name": self.name, "settings": dict(self.settings), **kept}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> CompressionStep:
        """The inverse of `as_dict`."""
        return cls(saved["name"], tuple(saved.get("settings", {}).items()), tuple(saved.get("keeps", ())))


@dataclass(frozen=True)
class Recipe:
    """An ordered tuple of compression steps; the empty Recipe leaves the model as it is.

    >>> static = Recipe((CompressionStep("int8-static", (("calibration", "entropy"),)),))
    >>> static.label, static.slug, static.quantizes
    ('int8 static (entropy)', 'int8-static-entropy', True)
    >>> Recipe().label, Recipe().slug
    ('f32', 'f32')
    """

    steps: tuple[CompressionStep, ...] = ()

    @property
    def effective(self) -> tuple[CompressionStep, ...]:
        """The steps that do something."""
        return tuple(step for step in self.steps if step.name != "none")

    @property
    def reshaping(self) -> Recipe:
        """The steps that give another network in f32; they come first."""
        return Recipe(tuple(step for step in self.effective if step.name in RESHAPING))

    @property
    def storing(self) -> Recipe:
        """The steps that say how a runtime stores it."""
        return Recipe(tuple(step for step in self.effective if step.name not in RESHAPING))

    @property
    def label(self) -> str:
        """The recipe in words."""
        return " + ".join(step.label for step in self.effective) or _WORDS["none"]

    @property
    def slug(self) -> str:
        """The label in letters that any file system takes."""
        return "-".join(step.slug for step in self.effective) or _WORDS["none"]

    @property
    def quantizes(self) -> bool:
        """Whether integers compute, so that quality and the machine's instructions matter."""
        return any(step.name in ("int8-dynamic", "int8-static") for step in self.steps)

    @property
    def complexity(self) -> int:
        """For tie-breaks: of two recipes that do equally well, the one with the smaller number wins."""
        return sum(_COMPLEXITY[step.name] + bool(step.keeps) for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"steps": [step.as_dict() for step in self.steps]}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Recipe:
        """The inverse of `as_dict`."""
        return cls(tuple(CompressionStep.from_dict(step) for step in saved["steps"]))
