"""What a compression step is given and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sartor.machine.device import Machine
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep
from sartor.steps.prepared import Prepared

# Enough for ranges that no longer move, and what NNCF takes by default; more rows only take longer.
CALIBRATION_ROWS = 300


@dataclass(frozen=True)
class Work:
    """One step's job.

    Attributes:
        step: what to do.
        source: the model in f32.
        rows: calibration rows, R >= 1, under the names of the file's inputs.
        folder: where to write; empty when the step begins.
        machine: for which the integers are chosen.
        ranges: folder in which ranges of activations wait for other steps on the same source and rows; None: nowhere.
    """

    step: CompressionStep
    source: ExportedModel
    rows: Prepared
    folder: Path
    machine: Machine
    ranges: Path | None = None


@dataclass(frozen=True)
class StepResult:
    """What a step wrote.

    Attributes:
        main: the file that the runtime loads; files beside it in the folder belong to it.
        changed: whether the step changed the network's numbers; a mere change of format does not.
        notes: what a reader of the report should know.
    """

    main: Path
    changed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuiltVariant:
    """A model file on disk that has run once and given finite outputs of the right shape.

    Attributes:
        path: the file that the runtime loads.
        files: all files of the variant, `path` among them.
        size_bytes: bytes of all files.
        changed: whether the numbers differ from the source's.
        notes: what a reader of the report should know.
    """

    path: Path
    files: tuple[Path, ...]
    size_bytes: int
    changed: bool
    notes: tuple[str, ...]
