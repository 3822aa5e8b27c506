"""What answering always the same would give: beside any claim of quality stands this figure."""

from __future__ import annotations

import numpy as np

from sartor.figures import Figure
from sartor.fit.run import Run


def constant_predictor(run: Run) -> float | None:
    """The metric of always answering the most common class (the mean, for a regression) on confirm.

    A claim of accuracy means little without it. None where a constant has no value, as for AUC's ranks.
    """
    if not run.need.labelled:
        return None
    labels, known = run.data.labels("confirm"), run.data.labels("select")
    if run.need.metric == "rmse":
        return float(np.sqrt(np.mean((labels - known.mean()) ** 2)))
    if run.need.metric != "accuracy":
        return None
    return float(np.mean(labels == np.bincount(known).argmax()))


def no_better_than_constant(run: Run, quality: Figure) -> float | None:
    """The constant answer's metric, if the bound of `quality` does not exclude it; else None."""
    constant = constant_predictor(run)
    if constant is None:
        return None
    beats = quality.high < constant if run.need.metric == "rmse" else quality.low > constant
    return None if beats else constant
