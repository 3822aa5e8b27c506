"""The nearest Needs that would be met: one limit changed with all others as asked, or several together. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sartor.need import Limit


@dataclass(frozen=True)
class Reached:
    """What one measured candidate comes to.

    Attributes:
        label: the candidate, for people.
        bounds: by the name of a limit, the bound of what was measured on the limit's side; unknown ones are left out.
    """

    label: str
    bounds: Mapping[str, float]


@dataclass(frozen=True)
class Relaxation:
    """Limits that a candidate would meet.

    Attributes:
        label: the candidate, for people.
        changes: the limits that would have to be others, with the value each would have to be.
        excess: by how much all of them together are missed, in factors of e of time, bytes or errors.
    """

    label: str
    changes: tuple[tuple[Limit, float], ...]
    excess: float


def relaxations(limits: Sequence[Limit], reached: Sequence[Reached]) -> tuple[Relaxation, ...]:
    """For each limit the candidate that comes nearest to it while it meets all others; and the one nearest to all.

    The last is left out where it changes one limit alone, which is then among the others. Candidates of which a limit
    is not known do not count.
    """
    whole = [one for one in reached if all(limit.name in one.bounds for limit in limits)]
    missed = [Relaxation(one.label, _missed(limits, one), _excess(limits, one)) for one in whole]
    missed = [one for one in missed if one.changes]
    alone = []
    for limit in limits:
        single = [one for one in missed if [changed for changed, _ in one.changes] == [limit]]
        if single:
            alone.append(min(single, key=lambda one: one.excess))
    together = [min(missed, key=lambda one: one.excess)] if missed else []
    return (*alone, *(one for one in together if len(one.changes) > 1))


def _missed(limits: Sequence[Limit], one: Reached) -> tuple[tuple[Limit, float], ...]:
    return tuple((limit, one.bounds[limit.name]) for limit in limits if not limit.allows(one.bounds[limit.name]))


def _excess(limits: Sequence[Limit], one: Reached) -> float:
    return sum(_factor(limit, bound) for limit, bound in _missed(limits, one))


def _factor(limit: Limit, bound: float) -> float:
    """How far off, as the logarithm of a ratio: of times, bytes or errors; of a floor, of what is missing to 1."""
    if limit.op == "<=":
        return math.log(bound / limit.value) if limit.value > 0 and bound > 0 else math.inf
    if limit.is_quality and limit.value < 1:
        return math.log(max(1.0 - bound, 1e-9) / (1.0 - limit.value))
    return math.log(limit.value / bound) if bound > 0 else math.inf
