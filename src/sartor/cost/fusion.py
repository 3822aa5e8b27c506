"""Fused groups: what a runtime makes of a Graph, seen from its operators alone.

Runtimes fold what only constants decide, look through quantization, and compute an elementwise operator where the
result of the product before it still lies in registers. A Group is one operator that is run with what is computed in
its wake. Which of it a runtime really fuses differs; a calibration learns what each kind of follower costs in each
(see `plan/amounts.py`), so the rules here need to be the same for all, not true of one.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from sartor.cost.count import bodies_that_run
from sartor.cost.formulas import family_of, is_view
from sartor.cost.graph import Graph, Operator

_QUANTIZATION = frozenset({"QuantizeLinear", "DequantizeLinear"})
_LOOKS_AT_SHAPES = frozenset({"Shape", "Size"})
_MOVES = frozenset({"movement", "selection"})
_LEADS_NOTHING = frozenset({"view", "transpose", "movement", "recurrent", "control flow", "unknown"})
"""Kinds that no elementwise operator is fused into."""

EXPENSIVE = frozenset(
    {
        *("Exp", "Log", "Erf", "Tanh", "Sigmoid", "Gelu", "Sin", "Cos", "Pow", "Softplus", "Mish", "Elu", "Selu"),
        *("Celu", "Swish", "QuickGelu", "FastGelu", "BiasGelu", "SwiGLU", "ScaledSiLU", "Softsign"),
    }
)
"""Functions that take tens of instructions; what these take on a machine is learnt."""


@dataclass
class Group:
    """One operator that leads, and the elementwise ones in its wake.

    Attributes:
        kind: what leads: its family, told apart by how it is computed (`depthwise`, `pointwise`, `dense`, ...).
        times: how often it runs in one run of the graph.
        constants: positions of the leader's inputs that are known when the file is loaded.
        followers: elementwise operators after it whose shape is that of its result.
    """

    kind: str
    leader: Operator
    times: int
    constants: tuple[int, ...]
    followers: list[Operator] = field(default_factory=list)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """All of them, in the order they run."""
        return (self.leader, *self.followers)


def fused(graph: Graph) -> tuple[Group, ...]:
    """The groups of a graph in the order they run, those of bodies included. Folded operators are in none."""
    return tuple(_Fuser(graph, 1).groups())


class _Fuser:
    """Goes through one graph once.

    Attributes:
        constant: names of what is known when the file is loaded.
        home: the group that a value comes from, through views and quantization.
    """

    def __init__(self, graph: Graph, times: int, constant: Collection[str] = ()) -> None:
        self.graph = graph
        self.times = times
        self.constant = {*constant, *(tensor.name for tensor in graph.weights)}
        self.home: dict[str, int] = {}
        self.found: list[Group] = []

    def groups(self) -> list[Group]:
        """All groups, in the order their leaders run."""
        for operator in self.graph.operators:
            if operator.bodies:
                self._enter(operator)
            elif not self._folds(operator):
                self._run(operator)
        return self.found

    def _enter(self, operator: Operator) -> None:
        for body in bodies_that_run(operator):
            self.found += _Fuser(body.graph, self.times * body.times, self.constant).groups()

    def _folds(self, operator: Operator) -> bool:
        """Whether it is done when the file is loaded, or is a step of quantization."""
        names = [tensor.name for tensor in operator.inputs if tensor is not None and tensor.name]
        if operator.type in _LOOKS_AT_SHAPES or (names and self.constant.issuperset(names)):
            self.constant.update(tensor.name for tensor in operator.outputs)
            return True
        if operator.type in _QUANTIZATION:
            self._pass_on(operator)
            return True
        return False

    def _pass_on(self, operator: Operator) -> None:
        source = operator.inputs[0] if operator.inputs else None  # SequenceEmpty has none
        result = operator.outputs[0].name
        if source is not None and source.name in self.home:
            self.home[result] = self.home[source.name]

    def _run(self, operator: Operator) -> None:
        home = self._followed(operator)
        if home is None:
            home = len(self.found)
            constants = tuple(
                number for number, t in enumerate(operator.inputs) if t is not None and t.name in self.constant
            )
            kind = kind_of(operator, 1 in constants)
            self.found.append(Group(kind, operator, self.times, constants))
            if kind == "view":
                self._pass_on(operator)
        else:
            self.found[home].followers.append(operator)
        for tensor in operator.outputs:
            self.home.setdefault(tensor.name, home)

    def _followed(self, operator: Operator) -> int | None:
        """The group in whose wake an elementwise operator runs: the last one begun that it reads from, if that gives
        as many numbers as it does."""
        if family_of(operator) != "elementwise":
            return None
        read = [t for t in operator.inputs if t is not None and t.name in self.home]
        last = max(read, key=lambda tensor: self.home[tensor.name], default=None)
        if last is None or last.elements != operator.outputs[0].elements:
            return None
        home = self.home[last.name]
        return home if self.found[home].kind not in _LEADS_NOTHING else None


def kind_of(operator: Operator, constant_right: bool) -> str:
    """How an operator is computed: its family, told apart where that decides its speed.

    Args:
        constant_right: whether its second input is a constant, as the matrix of a dense layer is.
    """
    family = family_of(operator)
    if family == "convolution":
        return _convolution(operator)
    if family == "matrix product":
        return "dense" if constant_right else "product"
    if is_view(operator):
        return "view"
    if family in _MOVES:
        tiny = operator.outputs[0].elements <= _TINY and operator.outputs[0].dtype.startswith("int")
        return "view" if tiny else "transpose" if operator.type == "Transpose" else "movement"
    if "oftmax" in operator.type:
        return "softmax"
    return family


_TINY = 64


def _convolution(operator: Operator) -> str:
    weight = operator.inputs[1] if len(operator.inputs) > 1 else None
    if weight is None or weight.shape is None or len(weight.shape) < 3:
        return "convolution"
    if operator.type == "ConvTranspose":
        return "transposed"
    groups = int(operator.attributes.get("group", 1))
    if groups > 1:
        return "depthwise" if weight.shape[1] == 1 else "grouped"
    return "pointwise" if math.prod(weight.shape[2:]) == 1 else "convolution"
