"""A Limit is one bound of a Need: `accuracy_drop <= 1 pt`, `latency_p99 <= 5 ms`, `size <= 2 MB`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sartor.errors import NeedError, nearest
from sartor.units import Quantity, format_value, parse

Operator = Literal["<=", ">="]

AGREEMENT = "agreement"
# metric -> (operator of a floor or ceiling, tasks it belongs to; agreement belongs to all)
QUALITY_METRICS: dict[str, tuple[Operator, str]] = {
    "accuracy": (">=", "classification"),
    "f1": (">=", "classification"),
    "auc": (">=", "classification"),
    "rmse": ("<=", "regression"),
    AGREEMENT: (">=", ""),
}
DROPS = tuple(metric for metric in QUALITY_METRICS if metric != AGREEMENT)
"""Metrics whose drop from the uncompressed model can be limited; agreement compares with it already."""

# limit -> (operator, unit inside, example)
PERFORMANCE_LIMITS: dict[str, tuple[Operator, str, str]] = {
    "latency_p50": ("<=", "s", "<= 2 ms"),
    "latency_p90": ("<=", "s", "<= 3 ms"),
    "latency_p99": ("<=", "s", "<= 5 ms"),
    "throughput": (">=", "1/s", ">= 500 /s"),
    "size": ("<=", "B", "<= 1 MB"),
    "memory": ("<=", "B", "<= 200 MB"),
}
_BOUND = re.compile(r"^\s*(<=|>=)\s*(.+)$")
_CUSTOM = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")


@dataclass(frozen=True)
class Limit:
    """One bound.

    Attributes:
        name: as the Need says it, such as `accuracy_drop`.
        op: `<=` or `>=`.
        value: in SI base units; shares are 0..1.
        unit: `s`, `B`, `1/s`, `pt` (absolute share), `%` (relative share) or `` (plain).
    """

    name: str
    op: Operator
    value: float
    unit: str

    @property
    def is_quality(self) -> bool:
        """Whether the limit is about how good the outputs are."""
        return self.name not in PERFORMANCE_LIMITS

    @property
    def is_drop(self) -> bool:
        """Whether the limit compares with the uncompressed baseline."""
        return self.is_quality and self.name.endswith("_drop")

    @property
    def compares(self) -> bool:
        """Whether the uncompressed model is what the limit compares with, which itself needs no test then."""
        return self.is_drop or self.name == AGREEMENT

    @property
    def relative(self) -> bool:
        """Whether a drop is a share of the baseline's value rather than a difference."""
        return self.is_drop and self.unit == "%"

    @property
    def metric(self) -> str:
        """The metric of a quality limit, without `_drop`."""
        return self.name.removesuffix("_drop") if self.is_drop else self.name

    def allows(self, value: float) -> bool:
        """Whether a value, in the limit's unit, is within the bound."""
        return value <= self.value if self.op == "<=" else value >= self.value

    def __str__(self) -> str:
        return f"{self.name} {self.op} {format_value(self.value, self.unit)}"


def parse_limit(name: str, text: str | float, task: str) -> Limit:
    """Read one entry of `require`.

    Raises:
        NeedError: unknown limit, wrong operator, unit or range, or a metric of another kind of task.
    """
    if name in PERFORMANCE_LIMITS:
        return _performance_limit(name, text)
    return _quality_limit(name, text, task)


def _split(name: str, text: str | float, example: str) -> tuple[Operator, Quantity]:
    match = _BOUND.match(str(text))
    if match is None:
        raise NeedError(f"`{name}: {text}`", f'an operator and a number, such as `{name}: "{example}"`')
    try:
        quantity = parse(match.group(2))
    except ValueError as error:
        raise NeedError(f"`{name}: {text}`: {error}", f'such as `{name}: "{example}"`') from None
    return ("<=" if match.group(1) == "<=" else ">="), quantity


def _performance_limit(name: str, text: str | float) -> Limit:
    op, unit, example = PERFORMANCE_LIMITS[name]
    came, quantity = _split(name, text, example)
    if came != op:
        raise NeedError(f"`{name}: {text}`", f'`{name}` takes `{op}`, such as `{name}: "{example}"`')
    if quantity.unit != unit:
        raise NeedError(f"`{name}: {text}` has no unit of {_dimension(unit)}", f'such as "{example}"')
    if quantity.value <= 0:
        raise NeedError(f"`{name}: {text}`", "a number above zero")
    return Limit(name, op, quantity.value, unit)


def _dimension(unit: str) -> str:
    return {"s": "time", "B": "size", "1/s": "rate"}[unit]


def _quality_limit(name: str, text: str | float, task: str) -> Limit:
    metric = name.removesuffix("_drop")
    custom = _CUSTOM.match(metric) is not None
    if name == f"{AGREEMENT}_drop":
        raise NeedError(f"`{name}: {text}`", f'agreement as a floor, such as `{AGREEMENT}: ">= 99%"`')
    if metric not in QUALITY_METRICS and not custom:
        known = [*QUALITY_METRICS, *(f"{m}_drop" for m in DROPS), *PERFORMANCE_LIMITS]
        raise NeedError(
            f"unknown limit `{name}`",
            ", ".join(known) + ", or your own metric as `package.module:function`",
            nearest(name, known),
        )
    if not custom and QUALITY_METRICS[metric][1] not in task:
        fitting = [m for m, (_, kind) in QUALITY_METRICS.items() if kind in task]
        raise NeedError(f"`{name}` with task `{task}`", f"for this task: {', '.join(fitting)}")
    return _drop(name, text) if name.endswith("_drop") else _absolute(name, metric, text)


def _drop(name: str, text: str | float) -> Limit:
    op, quantity = _split(name, text, "<= 1 pt")
    if op != "<=":
        raise NeedError(f"`{name}: {text}`", f'a drop takes `<=`, such as `{name}: "<= 1 pt"`')
    if quantity.unit not in ("pt", "%", ""):
        raise NeedError(f"`{name}: {text}`", '"<= 1 pt" (absolute) or "<= 1%" (relative to the baseline)')
    if quantity.value < 0 or (quantity.value >= 1 and not name.startswith("rmse")):
        raise NeedError(f"`{name}: {text}`", "a drop from 0 up to, not including, 100 pt")
    return Limit(name, op, quantity.value, quantity.unit)


def _absolute(name: str, metric: str, text: str | float) -> Limit:
    op, quantity = _split(name, text, ">= 0.95" if metric != "rmse" else "<= 0.5")
    if quantity.unit not in ("", "%") or (metric == "rmse" and quantity.unit):
        allowed = "a plain number" if metric == "rmse" else "a plain number or a percentage"
        raise NeedError(f"`{name}: {text}`", allowed)
    if metric not in QUALITY_METRICS:
        return Limit(name, op, quantity.value, "")
    expected = QUALITY_METRICS[metric][0]
    if op != expected:
        raise NeedError(f"`{name}: {text}`", f"`{name}` takes `{expected}`")
    if metric == "rmse" and quantity.value <= 0:
        raise NeedError(f"`{name}: {text}`", "a number above zero")
    if metric != "rmse" and not 0 < quantity.value <= 1:
        raise NeedError(f"`{name}: {text}`", "a share above 0 and up to 1, such as 0.95 or 95%")
    return Limit(name, op, quantity.value, "")
