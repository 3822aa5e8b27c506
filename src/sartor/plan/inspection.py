"""An Inspection: what a model costs, operator by operator, what binds it on a machine, and what would change that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sartor.cost.costs import Cost
from sartor.cost.graph import Tensor
from sartor.cost.roofline import Roofs
from sartor.figures import Figure, Source
from sartor.plan.prospects import Prospect

LEAST_FLOP = 0.001  # of all, below which an element type does not matter: comparisons and shapes have their own


@dataclass(frozen=True)
class Target:
    """The machine that is predicted for.

    Attributes:
        source: where its roofs come from: `measured` here, or `published` or `assumed` in the catalogue.
        memory_bytes: what it holds.
        notes: what is left out of its roofs, in sentences.
    """

    roofs: Roofs
    source: Source
    memory_bytes: float
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in FLOP/s, B/s, B and s."""
        return {
            "name": self.roofs.name,
            "source": self.source,
            "flop_per_second": dict(self.roofs.flop_per_second),
            "levels": [
                {"name": level.name, "bytes_per_second": level.bytes_per_second, "capacity_bytes": level.capacity}
                for level in self.roofs.levels
            ],
            "call_seconds": self.roofs.call_seconds,
            "memory_bytes": self.memory_bytes,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Row:
    """One operator of a graph, bodies included, or one phase of a language model.

    Attributes:
        layer: the path of names that it lies under, outermost first; empty where the file says nothing.
        share: of the predicted time; of the FLOP where no machine is known, and of the bytes where there are none.
        seconds: None where no machine is known.
        bound: `compute`, `memory:<level>` or `overhead`; `fused` where its time is in that of the operator before it;
            empty where no machine is known.
        shape: of its first output, None where not known.
    """

    name: str
    type: str
    family: str
    layer: tuple[str, ...]
    cost: Cost
    share: float
    seconds: Figure | None = None
    bound: str = ""
    shape: tuple[int, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "type": self.type,
            "family": self.family,
            "layer": list(self.layer),
            "shape": None if self.shape is None else list(self.shape),
            "cost": self.cost.as_dict(),
            "intensity": self.cost.intensity,
            "share": self.share,
            "seconds": None if self.seconds is None else self.seconds.as_dict(),
            "bound": self.bound,
        }


@dataclass(frozen=True)
class Group:
    """Operators of one family together."""

    family: str
    count: int
    cost: Cost
    share: float
    seconds: float | None


@dataclass(frozen=True)
class Change:
    """The same computation with its weights and products in another element type.

    Attributes:
        phase: `prefill` or `decode` of a language model; empty for a graph.
        factor: how many times faster: calibrated, or by the roofline, whose ends are those of three ways to keep
            activations.
        moved: share of today's time in operators that compute binds today and memory will bind.
        before, after: share of the time by what binds it.
    """

    precision: str
    phase: str
    factor: Figure
    moved: float
    before: Mapping[str, float]
    after: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "precision": self.precision,
            "phase": self.phase,
            "factor": self.factor.as_dict(),
            "moved": self.moved,
            "before": dict(self.before),
            "after": dict(self.after),
        }


@dataclass(frozen=True)
class Inspection:
    """What `sartor inspect` knows of one model on one machine.

    Attributes:
        kind: `graph` where operators were counted, `language` where a config alone was read.
        precision: element type asked for; empty for the file's own.
        inputs: with the shapes that were counted for.
        facts: totals by name, each a Figure.
        cost: of one run; of a language model, of its prefill.
        seconds: of one run; None without a machine, and of a language model, whose rows each have their own.
        rows: in the order they run.
        target: None where no machine is known.
        prospects: what this machine's calibration predicts in each runtime and arithmetic; empty without one.
    """

    model: str
    kind: str
    precision: str
    inputs: tuple[Tensor, ...]
    facts: Mapping[str, Figure]
    cost: Cost
    seconds: Figure | None
    rows: tuple[Row, ...]
    changes: tuple[Change, ...]
    target: Target | None
    notes: tuple[str, ...]
    prospects: tuple[Prospect, ...] = ()

    @property
    def label(self) -> str:
        """The model, in which precision, and the machine."""
        precision = f" in {self.precision}" if self.precision else ""
        return f"{self.model}{precision}" + (f" on {self.target.roofs.name}" if self.target else "")

    @property
    def counted_by(self) -> str:
        """What shares are shares of: `time`, `flop` or `bytes`."""
        return "time" if self.target else "flop" if self.cost.total_flop else "bytes"

    @property
    def heaviest(self) -> tuple[Row, ...]:
        """Rows by their share, the largest first; those that have none are left in their order."""
        return tuple(sorted(self.rows, key=lambda row: -row.share))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.model,
            "kind": self.kind,
            "precision": self.precision or None,
            "inputs": [
                {"name": tensor.name, "dtype": tensor.dtype, "shape": None if tensor.shape is None else [*tensor.shape]}
                for tensor in self.inputs
            ],
            "totals": {name: figure.as_dict() for name, figure in self.facts.items()},
            "cost": self.cost.as_dict(),
            "seconds": None if self.seconds is None else self.seconds.as_dict(),
            "shares_of": self.counted_by,
            "bounds": bounds(self.rows),
            "operators": [row.as_dict() for row in self.rows],
            "unknown": dict(self.cost.unknown),
            "changes": [change.as_dict() for change in self.changes],
            "prospects": [prospect.as_dict() for prospect in self.prospects],
            "machine": None if self.target is None else self.target.as_dict(),
            "notes": list(self.notes),
        }


def bounds(rows: tuple[Row, ...]) -> dict[str, float]:
    """Share of the predicted time by what binds it, the largest first; empty where no machine is known."""
    found: dict[str, float] = {}
    for row in rows:
        if row.bound and row.share:
            found[row.bound] = found.get(row.bound, 0.0) + row.share
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def rate_notes(cost: Cost, target: Target | None) -> tuple[str, ...]:
    """Which element types that matter have no rate of their own on the machine; see `Roofs.rate`."""
    if target is None:
        return ()
    least = LEAST_FLOP * cost.total_flop
    stand_ins = [name for name, flop in cost.flop.items() if flop >= least and name not in target.roofs.flop_per_second]
    return tuple(f"no rate in {name} is known of {target.roofs.name}: taken at that of float32" for name in stand_ins)


def groups(rows: tuple[Row, ...]) -> tuple[Group, ...]:
    """The rows by family, the largest share first."""
    by_family: dict[str, list[Row]] = {}
    for row in rows:
        by_family.setdefault(row.family, []).append(row)
    found = [_group(family, members) for family, members in by_family.items()]
    return tuple(sorted(found, key=lambda group: -group.share))


def _group(family: str, rows: list[Row]) -> Group:
    seconds = [row.seconds.value for row in rows if row.seconds is not None]
    cost = sum((row.cost for row in rows), Cost())
    return Group(family, len(rows), cost, sum(row.share for row in rows), sum(seconds) if seconds else None)
