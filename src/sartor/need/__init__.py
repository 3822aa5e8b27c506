"""The Need: what is asked, read from YAML or built in Python."""

from sartor.need.limit import AGREEMENT, DROPS, PERFORMANCE_LIMITS, QUALITY_METRICS, Limit
from sartor.need.read import need_schema, read_need
from sartor.need.values import Budget, DataSpec, Need, TrainSpec, Workload

__all__ = [
    "AGREEMENT",
    "DROPS",
    "PERFORMANCE_LIMITS",
    "QUALITY_METRICS",
    "Budget",
    "DataSpec",
    "Limit",
    "Need",
    "TrainSpec",
    "Workload",
    "need_schema",
    "read_need",
]
