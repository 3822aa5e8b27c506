"""Candidates: Model x Recipe x Runtime x Settings, every combination listed or refused with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sartor.plan.recipe import Recipe
from sartor.runtime.base import Precision, Settings, ShapePolicy


@dataclass(frozen=True)
class Candidate:
    """One way to meet the Need."""

    model: str
    recipe: Recipe
    runtime: str
    settings: Settings

    @property
    def id(self) -> str:
        """Unique name, safe in file names: `cnn.int8-static-entropy.openvino.f32.t2.fixed`."""
        return f"{self.variant_id}.{self.settings.precision}.t{self.settings.threads}.{self.settings.shape}"

    @property
    def variant_id(self) -> str:
        """Name of the file that the candidate runs: candidates that differ in settings share it."""
        return f"{self.model}.{self.recipe.slug}.{self.runtime}"

    @property
    def is_uncompressed(self) -> bool:
        """Whether it computes in true f32 with the model's own weights."""
        return not self.recipe.effective and self.settings.precision == "f32"

    @property
    def label(self) -> str:
        """What it is, for people: `cnn, int8 static (entropy), OpenVINO, 2 threads, fixed shape`."""
        precision = "" if self.settings.precision == "f32" else f" + {self.settings.precision}"
        recipe = self.settings.precision if not self.recipe.effective else f"{self.recipe.label}{precision}"
        return f"{self.model}, {recipe}, {self.runtime}, {settings_label(self.settings)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "model": self.model,
            "recipe": self.recipe.as_dict(),
            "runtime": self.runtime,
            "settings": self.settings.as_dict(),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Candidate:
        """The inverse of `as_dict`."""
        return cls(saved["model"], Recipe.from_dict(saved["recipe"]), saved["runtime"], Settings(**saved["settings"]))


@dataclass(frozen=True)
class Option:
    """A recipe in a runtime; `why_not` is None when it applies on this machine."""

    recipe: Recipe
    runtime: str
    why_not: str | None = None


@dataclass(frozen=True)
class Refusal:
    """A combination that cannot apply, with its reason."""

    what: str
    why: str


@dataclass(frozen=True)
class Plan:
    """Candidates in the order to try, and what was refused."""

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class RowShapes:
    """What is known of the rows' shapes.

    Attributes:
        dynamic_batch: whether the model's batch dimension is symbolic.
        symbolic: whether the model has other symbolic dimensions.
        varies: whether the rows differ in length, along dimension 1.
        length: the one length of rows that could differ in it but do not; 0 where there is no such dimension.
    """

    dynamic_batch: bool = True
    symbolic: bool = False
    varies: bool = False
    length: int = 0

    def policies(self, runtime: str) -> tuple[ShapePolicy, ...]:
        """The shape policies that a runtime can be asked for."""
        if not self.dynamic_batch:
            return ("fixed",)
        if self.varies:
            return ("dynamic", "buckets") if runtime == "openvino" else ("dynamic",)
        return ("fixed", "dynamic") if self.length or not self.symbolic else ("dynamic",)

    def refusals(self, model: str) -> list[Refusal]:
        """The shape policies that are left out, with the reason."""
        found = []
        if self.varies:
            found.append(Refusal("shape policy fixed", f"rows of {model} differ in length"))
            found.append(
                Refusal(
                    "shape policy buckets in onnxruntime", "nothing is compiled per shape: padding would only add work"
                )
            )
        else:
            found.append(Refusal("shape policy buckets", f"all rows of {model} have one shape"))
            if self.symbolic and not self.length:
                found.append(Refusal("shape policy fixed", f"{model} has a symbolic size beside the batch"))
        if not self.dynamic_batch:
            found.append(Refusal("shape policy dynamic", f"the batch of {model} is a constant of its file"))
        return found


def enumerate_candidates(
    model: str,
    options: Sequence[Option],
    precisions: Sequence[tuple[str, Precision, str | None]],
    *,
    cores: int,
    batch: int,
    rows: RowShapes,
) -> Plan:
    """All candidates of one model.

    Args:
        model: name of the model.
        options: recipes per runtime.
        precisions: (runtime, precision, why not or None) for every runtime and precision.
        cores: physical cores that this process may use.
        batch: rows of one call.
        rows: the shapes of the rows, which say what policies there are.
    """
    refusals = [
        Refusal(f"{option.recipe.label} in {option.runtime}", option.why_not) for option in options if option.why_not
    ]
    refusals += [Refusal(f"{precision} arithmetic in {runtime}", why) for runtime, precision, why in precisions if why]
    refusals += rows.refusals(model)
    computable = [(runtime, precision) for runtime, precision, why in precisions if why is None]
    candidates = tuple(
        Candidate(model, option.recipe, option.runtime, _settings(precision, threads, shape, batch, rows))
        for option in options
        if option.why_not is None
        for runtime, precision in computable
        if runtime == option.runtime
        for threads in thread_counts(cores)
        for shape in rows.policies(runtime)
    )
    return Plan(candidates, tuple(refusals))


def settings_label(settings: Settings) -> str:
    """Threads and shape, for people: `2 threads, fixed shape`."""
    return f"{settings.threads} thread{'s' if settings.threads > 1 else ''}, {settings.shape} shape"


def _settings(precision: Precision, threads: int, shape: ShapePolicy, batch: int, rows: RowShapes) -> Settings:
    return Settings(precision, threads, shape, batch, rows.length if shape == "fixed" else 0)


def thread_counts(cores: int) -> tuple[int, ...]:
    """Powers of two up to the cores, and the cores themselves.

    >>> thread_counts(6)
    (1, 2, 4, 6)
    """
    powers = [2**k for k in range(cores.bit_length()) if 2**k <= cores]
    return tuple(sorted({*powers, cores}))
