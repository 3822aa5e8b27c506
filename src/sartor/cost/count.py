"""Count: the Cost of an operator from its shapes, and of a Graph as the sum over its operators.

What is counted, and by which convention:

- A multiplication and an addition are two FLOP; every other primitive is one (`formulas/elementwise.py`).
- FLOP are kept by the element type that is multiplied; products of 8-bit integers, signed or not, under `int8`.
- Every operator reads its inputs from memory once and writes its outputs once. This is exact for a runtime that fuses
  nothing and whose caches hold the operands of one operator, and an upper bound of compulsory traffic for one that
  fuses. Views move nothing; Gather and its kin read the rows they take (`formulas/movement.py`).
- What is not known is not zero: an operator without a formula, or with a shape it needs unknown, goes to `unknown`.
"""

from __future__ import annotations

from sartor.cost.costs import Cost, total
from sartor.cost.formulas import UnknownShapeError, Work, find_formula
from sartor.cost.formulas.work import size_bytes
from sartor.cost.graph import Body, Graph, Operator


def count(graph: Graph) -> Cost:
    """The cost of running a graph once: the sum over its operators, bodies as often as they run."""
    return total(operator_cost(operator) for operator in graph.operators)


def operator_cost(operator: Operator) -> Cost:
    """The cost of one run.

    Of control flow: its bodies, each times its trips (of an If that the data decide the branch with the most FLOP, or
    bytes where these are equal), and itself as one operator that moves nothing. Without a formula, or where a shape
    that it needs is not known, it is one operator that is `unknown` under its name, `domain.type`, beside what its
    bodies cost.
    """
    own = _own_cost(operator)
    if not operator.bodies:
        return own
    return total([own, *(count(body.graph) * body.times for body in bodies_that_run(operator))])


def operator_flop(operator: Operator) -> float:
    """The operations of one run, as in `operator_cost`, without counting what is moved; 0 where they are not known."""
    if operator.bodies:
        return operator_cost(operator).total_flop
    work = _work(operator)
    return float(sum(work.flop.values())) if work is not None else 0.0


def bodies_that_run(operator: Operator) -> tuple[Body, ...]:
    """The bodies that are counted: where the data decide an If, both branches are given and the dearer one runs."""
    if operator.type != "If" or not operator.bodies:
        return operator.bodies
    return (max(operator.bodies, key=_weight),)


def _weight(body: Body) -> tuple[float, float, int]:
    cost = count(body.graph) * body.times
    return cost.total_flop, cost.moved_bytes, cost.operators


def _own_cost(operator: Operator) -> Cost:
    if operator.bodies and find_formula(operator) is None:
        return Cost(operators=1)
    work = _work(operator)
    try:
        return _unknown(operator) if work is None else _of_work(operator, work)
    except UnknownShapeError:  # the formula can do without a shape whose bytes are asked for
        return _unknown(operator)


def _work(operator: Operator) -> Work | None:
    """What its formula says; None where there is none, or a shape that it needs is not known."""
    formula = find_formula(operator)
    if formula is None:
        return None
    try:
        return formula(operator)
    # A formula takes shapes apart as the operator's definition has them; a file that departs from it is not counted.
    except (UnknownShapeError, ValueError, IndexError, KeyError, ZeroDivisionError, TypeError):
        return None


def _of_work(operator: Operator, work: Work) -> Cost:
    reads = _reads(operator, work)
    written = work.written
    if written is None:
        written = sum(size_bytes(tensor) for tensor in operator.outputs if tensor.name)
    return Cost(
        flop={dtype: float(flop) for dtype, flop in work.flop.items() if flop},
        read_bytes=float(sum(reads.values())),
        written_bytes=float(written),
        weight_bytes=float(sum(size for position, size in reads.items() if position in operator.weights)),
        operators=1,
    )


def _reads(operator: Operator, work: Work) -> dict[int, float]:
    """Bytes read by position of the input; a tensor that is given twice is read once."""
    reads: dict[int, float] = {}
    seen: set[str] = set()
    for position, tensor in enumerate(operator.inputs):
        if tensor is None or (tensor.name and tensor.name in seen):
            continue
        seen.add(tensor.name)
        reads[position] = work.read[position] if position in work.read else float(size_bytes(tensor))
    return reads


def _unknown(operator: Operator) -> Cost:
    domain = "" if operator.domain in ("", "ai.onnx") else f"{operator.domain}."
    return Cost(operators=1, unknown={f"{domain}{operator.type}": 1})
