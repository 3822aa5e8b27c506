"""Counted: each operator of a Graph with its Cost, laid out so that it can be timed and changed piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sartor.cost.costs import Cost, total
from sartor.cost.count import bodies_that_run, operator_cost
from sartor.cost.formulas import family_of
from sartor.cost.graph import Graph, Operator


@dataclass(frozen=True)
class Counted:
    """One operator that computes, in the graph itself or in a body.

    Attributes:
        cost: of one run.
        times: how often it runs in one run of the graph.
        family: as `family_of` names it.
    """

    operator: Operator
    cost: Cost
    times: int
    family: str

    @property
    def all_runs(self) -> Cost:
        """The cost of all its runs."""
        return self.cost if self.times == 1 else self.cost * self.times


Work = tuple[Counted, ...]
"""An operator of the graph, followed by those in its bodies."""


def counted(graph: Graph) -> tuple[Work, ...]:
    """Every operator of the graph in its order; their costs add to `count(graph)`.

    Of a branch that the data decide, the one that `operator_cost` takes is here and the other is not.
    """
    return tuple(tuple(_pieces(operator, 1)) for operator in graph.operators)


def work_cost(work: Work) -> Cost:
    """The cost of an operator with all that runs inside it."""
    return work[0].all_runs if len(work) == 1 else total(piece.all_runs for piece in work)


def _pieces(operator: Operator, times: int) -> Iterator[Counted]:
    family = family_of(operator)
    if not operator.bodies:
        yield Counted(operator, operator_cost(operator), times, family)
        return
    # Control flow itself is one operator that moves nothing; see `operator_cost`.
    yield Counted(operator, Cost(operators=1), times, family)
    for body in bodies_that_run(operator):
        for inner in body.graph.operators:
            yield from _pieces(inner, times * body.times)
