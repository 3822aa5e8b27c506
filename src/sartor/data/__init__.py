"""Data: open a source, check it, split it, and know the metrics."""

from sartor.data.callables import call_user, load_callable
from sartor.data.metrics import METRICS, Metric, class_scores, evaluate, find_metric, predicted_classes
from sartor.data.report import describe
from sartor.data.sources import open_data
from sartor.data.split import make_splits
from sartor.data.values import Dataset, Splits

__all__ = [
    "METRICS",
    "Dataset",
    "Metric",
    "Splits",
    "call_user",
    "class_scores",
    "describe",
    "evaluate",
    "find_metric",
    "load_callable",
    "make_splits",
    "open_data",
    "predicted_classes",
]
